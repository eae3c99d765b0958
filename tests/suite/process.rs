//! `process`: who it is, what it may, what it finds.

use std::process::Command;

use serde_json::json;

use crate::common::Test;

both!(arguments_and_environment, |t: &mut Test| {
    t.args(&[
        "/bin/sh",
        "-c",
        "printf '%s|' \"$0\" \"$@\"; env | sort | grep -v -e PWD -e SHLVL -e HOME",
        "zero",
        "",
        "a b",
        "\u{e4}",
    ]);
    t.spec["process"]["env"] = json!(["PATH=/bin", "EMPTY=", "SPACE=a b", "EQUALS=a=b"]);
    assert_eq!(t.run().ok(), "zero||a b|\u{e4}|EMPTY=\nEQUALS=a=b\nPATH=/bin\nSPACE=a b\n");
});

both!(the_callers_environment_stays_outside, |t: &mut Test| {
    t.args(&["/bin/env"]);
    let mut command = t.command(&["run", &t.id]);
    command.env("SKIFF_TEST_SECRET", "1");
    assert!(!t.finish_command(command).ok().contains("SKIFF_TEST_SECRET"));
});

both!(the_command_is_found_in_the_containers_path, |t: &mut Test| {
    t.file("/opt/tool", "#!/bin/sh\necho found by $0\n", 0o755);
    t.args(&["tool"]);
    t.spec["process"]["env"] = json!(["PATH=/nowhere:/opt:/bin"]);
    assert_eq!(t.run().ok(), "found by /opt/tool\n");
});

both!(no_path_at_all, |t: &mut Test| {
    t.spec["process"]["env"] = json!([]);
    t.args(&["/bin/echo", "fine"]);
    assert_eq!(t.run().ok(), "fine\n");
});

both!(no_env_at_all, |t: &mut Test| {
    t.spec["process"].as_object_mut().unwrap().remove("env");
    t.args(&["/bin/echo", "fine"]);
    assert_eq!(t.run().ok(), "fine\n");
});

both!(home_comes_from_the_containers_passwd, |t: &mut Test| {
    assert_eq!(t.run_sh("echo $HOME"), "/root\n");
    t.spec["process"]["user"] = json!({"uid": 1000, "gid": 1000});
    assert_eq!(t.run_sh("echo $HOME"), "/home/user\n");
    t.spec["process"]["user"] = json!({"uid": 4321, "gid": 1});
    assert_eq!(t.run_sh("echo $HOME"), "/\n");
    t.spec["process"]["env"].as_array_mut().unwrap().push(json!("HOME=/elsewhere"));
    assert_eq!(t.run_sh("echo $HOME"), "/elsewhere\n");
});

both!(user_and_groups, |t: &mut Test| {
    t.spec["process"]["user"] = json!({"uid": 1000, "gid": 2000, "additionalGids": [7, 99, 5000]});
    assert_eq!(
        t.run_sh("id -u; id -g; id -G; grep -E '^(Uid|Gid|Groups):' /proc/self/status"),
        "1000\n2000\n2000 7 99 5000\nUid:\t1000\t1000\t1000\t1000\nGid:\t2000\t2000\t2000\t2000\nGroups:\t7 99 5000 \n"
    );
});

both!(no_groups_of_the_caller, |t: &mut Test| {
    assert_eq!(t.run_sh("grep Groups: /proc/self/status"), "Groups:\t \n");
});

both!(umask, |t: &mut Test| {
    assert_eq!(t.run_sh("umask"), "0022\n");
    t.spec["process"]["user"]["umask"] = json!(0o077);
    assert_eq!(t.run_sh("umask"), "0077\n");
    t.spec["process"]["user"]["umask"] = json!(0);
    assert_eq!(t.run_sh("umask"), "0000\n");
});

both!(working_directory, |t: &mut Test| {
    t.spec["process"]["cwd"] = json!("/home/user");
    assert_eq!(t.run_sh("pwd; readlink /proc/self/cwd"), "/home/user\n/home/user\n");
});

both!(a_missing_working_directory_is_made, |t: &mut Test| {
    t.spec["process"]["cwd"] = json!("/srv/made/for/it");
    assert_eq!(t.run_sh("pwd"), "/srv/made/for/it\n");
});

both!(a_working_directory_that_only_the_user_may_enter, |t: &mut Test| {
    t.capabilities(&[]);
    t.spec["process"]["user"] = json!({"uid": 1000, "gid": 1000});
    let home = t.rootfs().join("home/user");
    std::os::unix::fs::chown(&home, Some(1000), Some(1000)).unwrap();
    std::fs::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    t.spec["process"]["cwd"] = json!("/home/user");
    assert_eq!(t.run_sh("pwd"), "/home/user\n");
});

both!(a_script_of_the_user_can_write_to_stdout, |t: &mut Test| {
    t.spec["process"]["user"] = json!({"uid": 1000, "gid": 1000});
    assert_eq!(t.run_sh("echo through >> /dev/stdout"), "through\n");
});

both!(limits, |t: &mut Test| {
    t.spec["process"]["rlimits"] = json!([
        {"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200},
        {"type": "RLIMIT_NPROC", "soft": 50, "hard": 60},
        {"type": "RLIMIT_STACK", "soft": 4194304, "hard": 4194304},
        {"type": "RLIMIT_FSIZE", "soft": 1000000, "hard": 2000000},
        {"type": "RLIMIT_CORE", "soft": 0, "hard": 0}
    ]);
    let seen =
        t.run_sh("grep -E '^Max (open files|processes|stack size|file size|core file size)' /proc/self/limits | tr -s ' '");
    for line in [
        "Max open files 100 200 files",
        "Max processes 50 60 processes",
        "Max stack size 4194304 4194304 bytes",
        "Max file size 1000000 2000000 bytes",
        "Max core file size 0 0 bytes",
    ] {
        assert!(seen.contains(line), "{line} in {seen}");
    }
});

both!(a_very_low_limit_of_open_files, |t: &mut Test| {
    skiff_only!(t, "runc needs descriptors of its own after the limit is set");
    t.spec["process"]["rlimits"] = json!([{"type": "RLIMIT_NOFILE", "soft": 5, "hard": 5}]);
    assert_eq!(t.run_sh("ulimit -n"), "5\n");
});

/// The five sets as /proc/self/status shows them: inheritable, permitted, effective, bounding, ambient.
#[track_caller]
fn capability_sets(t: &mut Test) -> Vec<u64> {
    t.args(&["/bin/grep", "^Cap", "/proc/self/status"]);
    let out = t.run();
    assert_eq!(out.code, 0, "{out:?}");
    out.stdout.lines().map(|line| u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap()).collect()
}

const KILL: u64 = 1 << 5;
const BIND: u64 = 1 << 10;
const CHOWN: u64 = 1;

both!(capabilities, |t: &mut Test| {
    t.spec["process"]["capabilities"] = json!({
        "bounding": ["CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_CHOWN"],
        "effective": ["CAP_KILL"],
        "permitted": ["CAP_KILL", "CAP_NET_BIND_SERVICE"],
    });
    t.spec["process"]["noNewPrivileges"] = json!(false);
    // Process 1 executes as root, so the kernel gives it the whole bounding set; a user keeps what is given.
    assert_eq!(capability_sets(t), [0, KILL | BIND | CHOWN, KILL | BIND | CHOWN, KILL | BIND | CHOWN, 0]);
});

both!(capabilities_of_a_user, |t: &mut Test| {
    t.spec["process"]["user"] = json!({"uid": 1000, "gid": 1000});
    t.spec["process"]["capabilities"] = json!({
        "bounding": ["CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_CHOWN"],
        "effective": ["CAP_KILL", "CAP_NET_BIND_SERVICE"],
        "permitted": ["CAP_KILL", "CAP_NET_BIND_SERVICE"],
        "inheritable": ["CAP_NET_BIND_SERVICE"],
        "ambient": ["CAP_NET_BIND_SERVICE"],
    });
    assert_eq!(capability_sets(t), [BIND, BIND, BIND, KILL | BIND | CHOWN, BIND]);
});

both!(no_capabilities, |t: &mut Test| {
    t.spec["process"].as_object_mut().unwrap().remove("capabilities");
    assert_eq!(capability_sets(t), [0, 0, 0, 0, 0]);
    t.spec["process"]["capabilities"] = json!({});
    assert_eq!(capability_sets(t), [0, 0, 0, 0, 0]);
});

both!(an_unknown_capability_is_dropped, |t: &mut Test| {
    t.capabilities(&["CAP_KILL", "CAP_NO_SUCH_THING"]);
    assert_eq!(capability_sets(t)[1..4], [KILL, KILL, KILL]);
});

both!(an_unknown_capability_is_silent_on_stderr, |t: &mut Test| {
    skiff_only!(t, "runc warns on stderr");
    t.capabilities(&["CAP_KILL", "CAP_NO_SUCH_THING"]).args(&["/bin/true"]);
    t.run().ok();
    let log = t.dir().join("log");
    t.call(&["--log", log.to_str().unwrap(), "--log-level", "warning", "run", &t.id]).ok();
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("warning") && log.contains("CAP_NO_SUCH_THING"), "{log:?}");
});

both!(no_new_privileges, |t: &mut Test| {
    for (wanted, seen) in [(true, "NoNewPrivs:\t1\n"), (false, "NoNewPrivs:\t0\n")] {
        t.spec["process"]["noNewPrivileges"] = json!(wanted);
        assert_eq!(t.run_sh("grep NoNewPrivs /proc/self/status"), seen);
    }
});

both!(oom_score, |t: &mut Test| {
    t.spec["process"]["oomScoreAdj"] = json!(500);
    assert_eq!(t.run_sh("cat /proc/self/oom_score_adj"), "500\n");
});

both!(an_oom_score_that_is_not_asked_for_is_inherited, |t: &mut Test| {
    let own = std::fs::read_to_string("/proc/self/oom_score_adj").unwrap();
    assert_eq!(t.run_sh("cat /proc/self/oom_score_adj"), own);
});

/// The masks that /proc/self/status shows of `Sig...`, less 32 and 33: the C library keeps these two to itself, and
/// its posix_spawn(3) leaves the first one ignored.
#[track_caller]
fn signal_masks(text: &str) -> Vec<u64> {
    let mask = |line: &str| u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap() & !(0b11 << 31);
    text.lines().map(mask).collect()
}

both!(signals_are_at_their_defaults, |t: &mut Test| {
    // Go and Rust both change SIGPIPE.
    t.args(&["/bin/grep", "-E", "^Sig(Blk|Ign|Cgt)", "/proc/self/status"]);
    assert_eq!(signal_masks(t.run().ok()), [0, 0, 0]);
});

both!(ignored_signals_of_the_caller_are_not_inherited, |t: &mut Test| {
    skiff_only!(t, "Go leaves what its caller ignores");
    t.args(&["/bin/grep", "SigIgn", "/proc/self/status"]);
    let inner = t.command(&["run", &t.id]);
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP INT QUIT PIPE TERM USR1; exec \"$@\"", "sh"]);
    command.arg(inner.get_program()).args(inner.get_args()).current_dir(t.bundle());
    assert_eq!(signal_masks(t.finish_command(command).ok()), [0]);
});

both!(a_session_of_its_own, |t: &mut Test| {
    assert_eq!(t.run_sh("cut -d ' ' -f 1,5,6 /proc/self/stat | awk '{ print $2, $3 }'"), "1 1\n");
});

both!(nothing_of_the_runtime_is_in_the_process, |t: &mut Test| {
    t.sh("tr '\\0' ' ' < /proc/1/cmdline; cat /proc/1/comm; readlink /proc/1/exe; cat /proc/1/maps | grep -c -v busybox");
    let out = t.run();
    assert!(out.stdout.starts_with("/bin/sh -c "), "{out:?}");
    assert!(out.stdout.contains("\nsh\n/bin/busybox\n") || out.stdout.contains("sh\n/bin/sh\n"), "{out:?}");
});

both!(our_own_binary_is_out_of_reach, |t: &mut Test| {
    // CVE-2019-5736: a container that executes /proc/self/exe and writes to it meanwhile.
    t.file("/bin/init", "#!/proc/self/exe\n", 0o755);
    t.args(&["/bin/init"]);
    let before = std::fs::metadata(crate::common::binary()).unwrap();
    let _ = t.run();
    let after = std::fs::metadata(crate::common::binary()).unwrap();
    assert_eq!((before.len(), before.modified().unwrap()), (after.len(), after.modified().unwrap()));
});
