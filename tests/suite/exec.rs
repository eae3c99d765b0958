//! `exec`: a further process of a container, with all that the container's own process is subject to.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::common::{Out, Test, is_skiff, wait_until};

/// `exec` with `options`, then the id, then `command`.
#[track_caller]
pub fn exec(t: &Test, options: &[&str], command: &[&str]) -> Out {
    t.call(&[&["exec"], options, &[&t.id], command].concat())
}

/// The output of a shell script that must succeed.
#[track_caller]
pub fn inside(t: &Test, options: &[&str], script: &str) -> String {
    exec(t, options, &["/bin/sh", "-c", script]).ok().to_string()
}

/// Exit code 255 tells that no process came about; the words say why, in one line.
#[track_caller]
pub fn refused(t: &Test, options: &[&str], command: &[&str], words: &[&str]) {
    let out = exec(t, options, command);
    let one_line = out.stderr.lines().count() == 1 || !is_skiff();
    // Debian's runc answers some with the exit code of a failed container.
    assert!(out.code == 255 || (!is_skiff() && out.code != 0), "{out:#?}");
    assert!(one_line && out.stdout.is_empty(), "{out:#?}");
    for word in words.iter().filter(|_| is_skiff()) {
        assert!(out.stderr.replace("\\\"", "\"").contains(word), "no {word:?} in {out:#?}");
    }
    nothing_but_sleep(t);
}

/// The container is as it was: one process.
#[track_caller]
pub fn nothing_but_sleep(t: &Test) {
    let children = || processes(t.pid());
    wait_until("the end of what exec has left", || children().is_empty());
}

/// Members of the pid namespace of `init`, without it.
pub fn processes(init: i32) -> Vec<String> {
    let of = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/pid"));
    let Ok(own) = of(&init.to_string()) else { return Vec::new() };
    let pids = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    pids.filter(|pid| *pid != init.to_string() && of(pid).is_ok_and(|namespace| namespace == own)).collect()
}

fn file(t: &Test, name: &str, content: &Value) -> String {
    let path = t.dir().join(name);
    fs::write(&path, content.to_string()).unwrap();
    path.to_str().unwrap().to_string()
}

both!(output_and_exit_code, |t: &mut Test| {
    t.running();
    let out = exec(t, &[], &["/bin/sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!((out.code, out.stdout.as_str(), out.stderr.as_str()), (7, "out\n", "err\n"));
    for code in [0, 1, 126, 127, 128, 255] {
        exec(t, &[], &["/bin/sh", "-c", &format!("exit {code}")]).exits(code);
    }
    for (name, number) in [("KILL", 9), ("TERM", 15), ("SEGV", 11), ("HUP", 1)] {
        exec(t, &[], &["/bin/sh", "-c", &format!("kill -{name} $$")]).exits(128 + number);
    }
    nothing_but_sleep(t);
});

both!(options_may_stand_before_the_id_only, |t: &mut Test| {
    t.running();
    assert_eq!(
        exec(t, &[], &["/bin/echo", "-e", "-d", "--user", "1", "--", "x"]).ok(),
        "-e -d --user 1 -- x\n".replace("-e ", "")
    );
    assert_eq!(exec(t, &[], &["/bin/sh", "-c", "echo $0 $*", "-t", "--detach"]).ok(), "-t --detach\n");
    assert_eq!(exec(t, &["-u", "1000:1000", "-e", "A=b"], &["/bin/sh", "-c", "id -u; echo $A"]).ok(), "1000\nb\n");
    assert_eq!(exec(t, &["--user=1000:1000", "--env=A=b"], &["/bin/sh", "-c", "id -u; echo $A"]).ok(), "1000\nb\n");
});

both!(standard_input, |t: &mut Test| {
    t.running();
    let mut command = t.command(&["exec", &t.id, "/bin/cat"]);
    command.stdin(Stdio::piped());
    let mut running = t.spawn(command);
    let mut input = running.child.stdin.take().unwrap();
    input.write_all(b"through the pipe\n").unwrap();
    running.wait_for("through the pipe");
    drop(input);
    assert_eq!(running.wait().ok(), "through the pipe\n");
});

both!(it_lives_in_the_containers_namespaces, |t: &mut Test| {
    t.running();
    let kinds = ["pid", "net", "mnt", "ipc", "uts", "cgroup", "user", "time"];
    let script = kinds.map(|kind| format!("readlink /proc/self/ns/{kind}; readlink /proc/1/ns/{kind}")).join(";");
    let seen = inside(t, &[], &script);
    let lines: Vec<&str> = seen.lines().collect();
    assert_eq!(lines.len(), 16, "{seen}");
    for pair in lines.chunks(2) {
        assert_eq!(pair[0], pair[1]);
    }
    assert_eq!(inside(t, &[], "cat /proc/self/cgroup"), inside(t, &[], "cat /proc/1/cgroup"));
    assert_eq!(inside(t, &[], "ls /bin/busybox; readlink /proc/self/root"), "/bin/busybox\n/\n");
    let own = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_ne!(inside(t, &[], "hostname"), own);
});

both!(without_namespaces_of_its_own, |t: &mut Test| {
    t.spec["mounts"].as_array_mut().unwrap().retain(|mount| mount["destination"] != "/sys");
    t.spec.as_object_mut().unwrap().remove("hostname");
    t.spec["linux"]["namespaces"] = json!([{"type": "mount"}]);
    t.running();
    for kind in ["pid", "net", "uts", "ipc"] {
        let own = fs::read_link(format!("/proc/self/ns/{kind}")).unwrap();
        assert_eq!(inside(t, &[], &format!("readlink /proc/self/ns/{kind}")).trim(), own.to_str().unwrap());
    }
    let cgroup = fs::read_to_string(format!("/proc/{}/cgroup", t.pid())).unwrap();
    assert_eq!(inside(t, &[], "cat /proc/self/cgroup"), cgroup);
});

both!(environment, |t: &mut Test| {
    t.spec["process"]["env"] = json!(["PATH=/bin", "KEPT=yes", "CHANGED=old"]);
    t.running();
    let options = ["--env", "CHANGED=new", "--env", "COMMA=1,2", "--env", "EQUALS=a=b", "--env", "EMPTY="];
    let seen = exec(t, &options, &["/bin/env"]).ok().to_string();
    for line in ["KEPT=yes", "CHANGED=new", "COMMA=1,2", "EQUALS=a=b", "EMPTY=", "PATH=/bin"] {
        assert!(seen.lines().any(|seen| seen == line), "no {line} in {seen}");
    }
    assert!(!seen.contains("CHANGED=old"), "{seen}");
});

both!(the_callers_environment_stays_outside, |t: &mut Test| {
    t.running();
    let mut command = t.command(&["exec", &t.id, "/bin/env"]);
    command.env("SKIFF_TEST_SECRET", "1");
    assert!(!t.finish_command(command).ok().contains("SKIFF_TEST_SECRET"));
});

both!(the_path_is_the_containers, |t: &mut Test| {
    t.file("/opt/tool", "#!/bin/sh\necho found by $0\n", 0o755);
    t.spec["process"]["env"] = json!(["PATH=/nowhere:/bin"]);
    t.running();
    assert_eq!(exec(t, &["--env", "PATH=/nowhere:/opt:/bin"], &["tool"]).ok(), "found by /opt/tool\n");
    refused(t, &[], &["tool"], &["exec: \"tool\": executable file not found in $PATH"]);
});

both!(home_follows_the_user, |t: &mut Test| {
    t.running();
    assert_eq!(inside(t, &[], "echo $HOME"), "/root\n");
    assert_eq!(inside(t, &["--user", "1000"], "echo $HOME"), "/home/user\n");
    assert_eq!(inside(t, &["--user", "1000", "-e", "HOME=/x"], "echo $HOME"), "/x\n");
});

both!(commands_that_cannot_be_executed, |t: &mut Test| {
    t.file("/bin/data", "data", 0o644);
    t.file("/bin/roots-own", "#!/bin/sh\n", 0o700);
    t.capabilities(&[]);
    t.running();
    refused(t, &[], &["nobody"], &["exec: \"nobody\": executable file not found in $PATH"]);
    refused(t, &[], &["/bin/nobody"], &["/bin/nobody", "no such file or directory"]);
    refused(t, &[], &["/bin/data"], &["/bin/data", "permission denied"]);
    refused(t, &[], &["/home"], &["/home", "is a directory"]);
    refused(t, &["--user", "1000:1000"], &["/bin/roots-own"], &["/bin/roots-own", "permission denied"]);
    refused(t, &[], &[""], &["executable file not found"]);
    refused(t, &[], &[], &["command"]);
});

both!(working_directory, |t: &mut Test| {
    t.spec["process"]["cwd"] = json!("/home");
    t.file("/etc/plain", "", 0o644);
    t.running();
    assert_eq!(inside(t, &[], "pwd"), "/home\n");
    assert_eq!(inside(t, &["--cwd", "/home/user"], "pwd; readlink /proc/self/cwd"), "/home/user\n/home/user\n");
    refused(t, &["--cwd", "/nowhere/at/all"], &["/bin/true"], &["cwd", "/nowhere/at/all", "no such file or directory"]);
    refused(t, &["--cwd", "/etc/plain"], &["/bin/true"], &["cwd", "/etc/plain", "not a directory"]);
    if is_skiff() {
        refused(t, &["--cwd", "home"], &["/bin/true"], &["cwd", "home", "absolute"]);
    }
    assert!(!t.rootfs().join("nowhere").exists(), "made a directory");
});

both!(a_working_directory_that_only_the_user_may_enter, |t: &mut Test| {
    t.capabilities(&[]);
    let home = t.rootfs().join("home/user");
    std::os::unix::fs::chown(&home, Some(1000), Some(1000)).unwrap();
    fs::set_permissions(&home, PermissionsExt::from_mode(0o700)).unwrap();
    t.running();
    assert_eq!(inside(t, &["--user", "1000:1000", "--cwd", "/home/user"], "pwd"), "/home/user\n");
});

// CVE-2024-21626: a descriptor of the host that leaks into the process is a way out.
both!(no_descriptor_of_the_host_as_working_directory, |t: &mut Test| {
    t.running();
    for number in 3..=20 {
        let cwd = format!("/proc/self/fd/{number}");
        let args = ["exec", "--cwd", &cwd, &t.id, "/bin/sh", "-c", "echo got; ls ../../../../.."];
        let out = t.with_descriptors("7</ 9</etc 12</", &args);
        assert!(out.code != 0 && out.stdout.is_empty(), "{out:#?}");
        let process =
            file(t, "process.json", &json!({"args": ["/bin/sh", "-c", "echo got"], "cwd": cwd, "user": {"uid": 0, "gid": 0}}));
        let out = t.with_descriptors("7</ 9</etc 12</", &["exec", "--process", &process, &t.id]);
        assert!(out.code != 0 && out.stdout.is_empty(), "{out:#?}");
    }
    nothing_but_sleep(t);
});

both!(no_descriptor_of_the_host_at_all, |t: &mut Test| {
    t.running();
    // The last one is the list's own.
    let list = "ls /proc/self/fd | tr '\\n' ' '";
    let args = ["exec", &t.id, "/bin/sh", "-c", list];
    assert_eq!(t.with_descriptors("7</ 9</etc/passwd 300</", &args).ok(), "0 1 2 3 ");
    let args = ["exec", "--preserve-fds", "2", &t.id, "/bin/sh", "-c", list];
    assert_eq!(t.with_descriptors("3</etc/passwd 4</etc/passwd 9</etc/passwd", &args).ok(), "0 1 2 3 4 5 ");
});

both!(preserved_descriptors, |t: &mut Test| {
    t.running();
    fs::write(t.dir().join("three"), "the third\n").unwrap();
    fs::write(t.dir().join("four"), "the fourth\n").unwrap();
    let args = ["exec", "--preserve-fds", "2", &t.id, "/bin/sh", "-c", "cat <&3 <&4; cat <&3"];
    let redirect = format!("3<{0}/three 4<{0}/four", t.dir().display());
    assert_eq!(t.with_descriptors(&redirect, &args).ok(), "the fourth\nthe third\n");
    let args = ["exec", "--preserve-fds", "3", &t.id, "/bin/true"];
    let out = t.with_descriptors("3</etc/passwd 4</etc/passwd 5<&-", &args);
    assert!(out.code == 255 || !is_skiff(), "{out:?}");
    assert!(out.stderr.contains("preserve-fds") || !is_skiff(), "{out:?}");
});

// CVE-2026-30892: crun took `1` for `0:0`.
both!(user, |t: &mut Test| {
    t.running();
    assert_eq!(inside(t, &[], "id -u; id -g"), "0\n0\n");
    assert_eq!(inside(t, &["--user", "1"], "id -u; id -g"), "1\n0\n");
    assert_eq!(
        inside(t, &["--user", "1:2"], "id -u; id -g; grep -E '^[UG]id:' /proc/self/status | tr '\\t' ' '"),
        "1\n2\nUid: 1 1 1 1\nGid: 2 2 2 2\n"
    );
    if !is_skiff() {
        // It takes no more than 31 bits.
        return;
    }
    assert_eq!(inside(t, &["-u", "4000000000:3000000000"], "id -u; id -g"), "4000000000\n3000000000\n");
});

both!(a_user_that_is_no_number_is_refused, |t: &mut Test| {
    t.running();
    for user in [
        "",
        ":",
        "1:",
        ":1",
        "1x",
        "x1",
        "1:2x",
        "1:2:3",
        "-1",
        "+1",
        " 1",
        "1 ",
        "root",
        "4294967295",
        "4294967296",
        "99999999999999999999",
    ] {
        let option = format!("--user={user}");
        let out = exec(t, &[&option], &["/bin/id"]);
        if is_skiff() {
            assert!(out.code == 255 && out.stderr.contains("--user") && out.stderr.lines().count() == 1, "{user:?}: {out:#?}");
        }
        // Debian's runc takes an empty string for no option, and 2 to the 32nd for root.
        assert!(out.code != 0 || !is_skiff(), "{user:?}: {out:#?}");
    }
});

both!(a_user_of_the_container, |t: &mut Test| {
    t.spec["process"]["user"] = json!({"uid": 1000, "gid": 2000, "additionalGids": [7], "umask": 0o027});
    t.running();
    assert_eq!(inside(t, &[], "id -u; id -g; id -G"), "1000\n2000\n2000 7\n");
    if is_skiff() {
        assert_eq!(inside(t, &[], "umask"), "0027\n");
    }
    assert_eq!(inside(t, &["--user", "0:0"], "id -u; id -g"), "0\n0\n");
});

both!(more_groups, |t: &mut Test| {
    t.spec["process"]["user"]["additionalGids"] = json!([7]);
    t.running();
    let seen = inside(t, &["--additional-gids", "99", "--additional-gids", "5000"], "grep Groups: /proc/self/status");
    assert_eq!(seen.split_whitespace().collect::<Vec<_>>(), ["Groups:", "7", "99", "5000"]);
    let out = exec(t, &["--additional-gids", "many"], &["/bin/true"]);
    assert_ne!(out.code, 0, "{out:?}");
});

both!(no_groups_of_the_caller, |t: &mut Test| {
    t.running();
    assert_eq!(inside(t, &[], "grep Groups: /proc/self/status").trim_end(), "Groups:");
    assert_eq!(inside(t, &["--user", "1000:1000"], "grep Groups: /proc/self/status").trim_end(), "Groups:");
});

/// Inheritable, permitted, effective, bounding, ambient.
#[track_caller]
fn capability_sets(t: &Test, options: &[&str]) -> Vec<u64> {
    let out = exec(t, options, &["/bin/grep", "^Cap", "/proc/self/status"]);
    let text = out.ok();
    text.lines().map(|line| u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap()).collect()
}

const CHOWN: u64 = 1;
const KILL: u64 = 1 << 5;
const BIND: u64 = 1 << 10;

// CVE-2022-29162, CVE-2022-27650.
both!(a_further_capability_is_never_inheritable, |t: &mut Test| {
    t.capabilities(&["CAP_KILL"]);
    t.spec["process"]["noNewPrivileges"] = json!(false);
    t.running();
    assert_eq!(capability_sets(t, &[]), [0, KILL, KILL, KILL, 0]);
    assert_eq!(capability_sets(t, &["--cap", "CAP_CHOWN"]), [0, KILL | CHOWN, KILL | CHOWN, KILL | CHOWN, 0]);
    let all = KILL | CHOWN | BIND;
    assert_eq!(capability_sets(t, &["-c", "CAP_CHOWN", "-c", "CAP_NET_BIND_SERVICE"]), [0, all, all, all, 0]);
    assert_eq!(capability_sets(t, &["--user", "1000:1000", "--cap", "CAP_CHOWN"])[0], 0);
    // A user without file capabilities and without ambient ones has none after execve.
    assert_eq!(capability_sets(t, &["--user", "1000:1000"])[1..], [0, 0, KILL, 0]);
});

both!(ambient_capabilities_need_inheritable_ones, |t: &mut Test| {
    let names = json!(["CAP_NET_BIND_SERVICE"]);
    t.spec["process"]["capabilities"] =
        json!({"bounding": names, "effective": names, "permitted": names, "inheritable": names, "ambient": names});
    t.running();
    assert_eq!(capability_sets(t, &["--user", "1000:1000"]), [BIND, BIND, BIND, BIND, BIND]);
});

both!(an_unknown_capability, |t: &mut Test| {
    t.running();
    let out = exec(t, &["--cap", "CAP_NOBODY_KNOWS"], &["/bin/true"]);
    assert!(!is_skiff() || (out.code == 255 && out.stderr.contains("CAP_NOBODY_KNOWS")), "{out:?}");
});

both!(no_new_privileges, |t: &mut Test| {
    for wanted in [true, false] {
        t.spec["process"]["noNewPrivileges"] = json!(wanted);
        t.running();
        let seen =
            |options: &[&str]| inside(t, options, "grep NoNewPrivs /proc/self/status").split_whitespace().nth(1).unwrap() == "1";
        assert_eq!(seen(&[]), wanted);
        assert!(seen(&["--no-new-privs"]));
        t.call(&["delete", "--force", &t.id]).ok();
    }
});

both!(limits_and_oom_score, |t: &mut Test| {
    skiff_only!(t, "Go raises the soft limit of open files now and then");
    t.spec["process"]["rlimits"] =
        json!([{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}, {"type": "RLIMIT_CORE", "soft": 0, "hard": 0}]);
    t.spec["process"]["oomScoreAdj"] = json!(321);
    t.running();
    let seen =
        inside(t, &[], "grep -E '^Max (open files|core file size)' /proc/self/limits | tr -s ' '; cat /proc/self/oom_score_adj");
    for line in ["Max open files 100 200 files", "Max core file size 0 0 bytes", "321"] {
        assert!(seen.contains(line), "{line} in {seen}");
    }
});

both!(a_very_low_limit_of_open_files, |t: &mut Test| {
    skiff_only!(t, "runc needs descriptors of its own after the limit is set");
    t.spec["process"]["rlimits"] = json!([{"type": "RLIMIT_NOFILE", "soft": 5, "hard": 5}]);
    t.running();
    assert_eq!(inside(t, &[], "ulimit -n"), "5\n");
});

/// The three masks, less the C library's own signals.
#[track_caller]
fn signal_masks(text: &str) -> Vec<u64> {
    let mask = |line: &str| u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap() & !(0b11 << 31);
    text.lines().map(mask).collect()
}

both!(signals_are_at_their_defaults, |t: &mut Test| {
    t.running();
    let grep = ["/bin/grep", "-E", "^Sig(Blk|Ign|Cgt)", "/proc/self/status"];
    assert_eq!(signal_masks(exec(t, &[], &grep).ok()), [0, 0, 0]);
    if !is_skiff() {
        return;
    }
    let inner = t.command(&[&["exec", &t.id], &grep[..]].concat());
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "trap '' HUP INT QUIT PIPE TERM USR1 CHLD; exec \"$@\"", "sh"]);
    command.arg(inner.get_program()).args(inner.get_args()).current_dir(t.bundle());
    assert_eq!(signal_masks(t.finish_command(command).ok()), [0, 0, 0]);
});

both!(a_session_of_its_own, |t: &mut Test| {
    t.running();
    let seen = exec(t, &[], &["/bin/cat", "/proc/self/stat"]).ok().to_string();
    let fields: Vec<&str> = seen.split(' ').collect();
    assert_eq!((fields[0], fields[0]), (fields[4], fields[5]), "pid, process group, session: {seen}");
    // Nobody inside is its parent.
    assert_eq!(fields[3], "0");
});

both!(signals_are_forwarded, |t: &mut Test| {
    t.running();
    for (name, signal) in [("TERM", Signal::SIGTERM), ("USR1", Signal::SIGUSR1), ("INT", Signal::SIGINT), ("HUP", Signal::SIGHUP)]
    {
        let script = format!("trap 'echo got {name}; exit 3' {name}; echo ready; while true; do sleep 0.01; done");
        let mut running = t.spawn(t.command(&["exec", &t.id, "/bin/sh", "-c", &script]));
        running.wait_for("ready");
        kill(Pid::from_raw(running.pid()), signal).unwrap();
        let out = running.wait();
        assert_eq!((out.code, out.stdout.as_str()), (3, format!("ready\ngot {name}\n").as_str()), "{out:?}");
    }
    nothing_but_sleep(t);
});

both!(detached_with_a_pid_file, |t: &mut Test| {
    t.running();
    let pid_file = t.dir().join("pid");
    let out =
        exec(t, &["--detach", "--pid-file", pid_file.to_str().unwrap()], &["/bin/sh", "-c", "echo ready; exec sleep 1000000"]);
    out.exits(0);
    out.wait_for("ready");
    let text = fs::read_to_string(&pid_file).unwrap();
    let pid: i32 = text.parse().expect("a bare number");
    wait_until("its command", || fs::read(format!("/proc/{pid}/cmdline")).unwrap() == b"sleep\x001000000\0");
    assert!(processes(t.pid()).contains(&pid.to_string()));
    // Like conmon we are a subreaper: the orphan is ours, and so is its exit code.
    kill(Pid::from_raw(pid), Signal::SIGTERM).unwrap();
    let mut status = None;
    wait_until("the orphan's end", || {
        status = nix::sys::wait::waitpid(Pid::from_raw(pid), None).ok();
        status.is_some()
    });
    assert_eq!(status, Some(nix::sys::wait::WaitStatus::Signaled(Pid::from_raw(pid), Signal::SIGTERM, false)));
    nothing_but_sleep(t);
});

both!(a_pid_file_that_cannot_be_written, |t: &mut Test| {
    t.running();
    refused(t, &["--pid-file", "/nowhere/pid"], &["/bin/sleep", "1000000"], &["/nowhere/pid", "no such file or directory"]);
});

both!(a_relative_pid_file_belongs_to_the_caller, |t: &mut Test| {
    t.running();
    exec(t, &["--pid-file", "here"], &["/bin/true"]).ok();
    assert!(t.bundle().join("here").exists());
});

both!(a_process_file, |t: &mut Test| {
    t.spec["process"]["noNewPrivileges"] = json!(true);
    t.running();
    let process = file(
        t,
        "process.json",
        &json!({
            "terminal": false, "cwd": "/home", "user": {"uid": 1000, "gid": 2000, "additionalGids": [3]},
            "args": ["/bin/sh", "-c", "pwd; id -u; id -G; echo $A; grep NoNewPrivs /proc/self/status; ulimit -n"],
            "env": ["PATH=/bin", "A=b"], "noNewPrivileges": false,
            "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 64, "hard": 64}],
            "capabilities": {"bounding": ["CAP_KILL"], "effective": ["CAP_KILL"], "permitted": ["CAP_KILL"], "inheritable": [], "ambient": []},
        }),
    );
    assert_eq!(t.call(&["exec", "--process", &process, &t.id]).ok(), "/home\n1000\n2000 3\nb\nNoNewPrivs:\t0\n64\n");
    assert_eq!(t.call(&["exec", "-p", &process, &t.id]).ok().lines().next(), Some("/home"));
});

both!(a_process_file_that_is_wrong, |t: &mut Test| {
    t.running();
    let path = t.dir().join("process.json");
    for text in [
        "",
        "{",
        "[]",
        r#"{"args": "sh", "cwd": "/"}"#,
        r#"{"cwd": "/"}"#,
        r#"{"args": [], "cwd": "/"}"#,
        r#"{"args": ["/bin/true"], "cwd": "tmp"}"#,
    ] {
        fs::write(&path, text).unwrap();
        let out = t.call(&["exec", "--process", path.to_str().unwrap(), &t.id]);
        assert!(out.code != 0 && (!is_skiff() || (out.code == 255 && out.stderr.lines().count() == 1)), "{text}: {out:#?}");
    }
    let out = t.call(&["exec", "--process", "/nowhere/process.json", &t.id]);
    assert!(out.code != 0 && out.stderr.contains("/nowhere/process.json"), "{out:?}");
});

// Which containers.

both!(into_a_created_container, |t: &mut Test| {
    t.args(&["/bin/sleep", "1000000"]);
    t.create();
    assert_eq!(inside(t, &[], "echo early; id -u"), "early\n0\n");
    assert_eq!(t.status(), "created");
    t.start();
    assert_eq!(inside(t, &[], "echo late"), "late\n");
});

both!(into_a_stopped_or_missing_container, |t: &mut Test| {
    t.running();
    t.kill("KILL");
    t.wait_status("stopped");
    let out = exec(t, &[], &["/bin/true"]);
    assert!(out.code == 255 && out.stderr.contains("stopped"), "{out:#?}");
    let out = t.call(&["exec", "nobody-has-this", "/bin/true"]);
    assert!(out.code != 0 && out.stderr.contains("does not exist"), "{out:#?}");
});

both!(the_end_of_the_container_ends_it, |t: &mut Test| {
    t.running();
    let mut running = t.spawn(t.command(&["exec", &t.id, "/bin/sh", "-c", "echo ready; exec sleep 1000000"]));
    running.wait_for("ready");
    t.kill("KILL");
    running.wait().exits(137);
    t.wait_status("stopped");
});

both!(what_is_not_built_yet_is_refused_by_name, |t: &mut Test| {
    skiff_only!(t, "it has them");
    t.running();
    refused(t, &["--apparmor", "docker-default"], &["/bin/true"], &["process.apparmorProfile", "not supported"]);
    refused(t, &["--process-label", "a:b:c:s0"], &["/bin/true"], &["process.selinuxLabel", "not supported"]);
});
