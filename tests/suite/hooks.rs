//! Hooks: when they run, where, with what, and what happens when they fail.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::common::{Test, is_skiff, refused, wait_until};

const ALL: [&str; 6] = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];

/// Appends a shell script to the hooks of `kind`. Host and container have it at the same path; what it writes to `$OUT` is
/// in the test's directory where that can be reached.
fn hook(t: &mut Test, kind: &str, script: &str) {
    let hook = json!({"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/usr/bin:/bin", format!("OUT={}", out(t).display())]});
    let hooks = t.spec.as_object_mut().unwrap().entry("hooks").or_insert_with(|| json!({}));
    hooks.as_object_mut().unwrap().entry(kind).or_insert_with(|| json!([])).as_array_mut().unwrap().push(hook);
}

/// Where the hooks write to: outside, and bound into the container at the same path.
fn out(t: &Test) -> PathBuf {
    t.dir().join("out")
}

/// A directory of the host that the container has at the same path.
fn share(t: &mut Test) {
    let path = out(t);
    fs::create_dir_all(&path).unwrap();
    let destination = path.to_str().unwrap().to_string();
    t.bind(&path, &destination, &["bind", "rw"]);
}

fn read(t: &Test, name: &str) -> String {
    fs::read_to_string(out(t).join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn state(t: &Test, name: &str) -> Value {
    serde_json::from_str(&read(t, name)).unwrap_or_else(|error| panic!("{name} is no state: {error}: {:?}", read(t, name)))
}

both!(each_at_its_time_and_in_order, |t: &mut Test| {
    skiff_only!(t, "runc 1.1 runs poststart hooks at the end of create");
    share(t);
    for kind in ALL {
        hook(t, kind, &format!("echo {kind} 0 >> $OUT/log"));
        hook(t, kind, &format!("echo {kind} 1 >> $OUT/log"));
    }
    t.sh(&format!("echo command >> {}/log; exec sleep 1000000", out(t).display()));
    let lines = |kinds: &[&str]| kinds.iter().map(|kind| format!("{kind} 0\n{kind} 1\n")).collect::<String>();
    t.create();
    assert_eq!(read(t, "log"), lines(&ALL[..3]));
    t.start();
    wait_until("the command", || read(t, "log").contains("command"));
    // The command and the poststart hooks run at the same time.
    let log: String = read(t, "log").lines().filter(|line| *line != "command").map(|line| format!("{line}\n")).collect();
    assert_eq!(log, lines(&ALL[..5]));
    let position = |what: &str| read(t, "log").lines().position(|line| line == what).unwrap();
    assert!(position("startContainer 1") < position("command"));
    t.kill("KILL");
    t.wait_status("stopped");
    assert!(!read(t, "log").contains("poststop"));
    t.call(&["delete", &t.id]).ok();
    assert!(read(t, "log").ends_with(&lines(&ALL[5..])));
});

both!(around_a_run, |t: &mut Test| {
    skiff_only!(t, "runc 1.1 runs poststart hooks at the end of create");
    share(t);
    for kind in ALL {
        hook(t, kind, &format!("echo {kind} >> $OUT/log"));
    }
    t.args(&["/bin/sleep", "0.2"]);
    t.run().ok();
    assert_eq!(read(t, "log").split_whitespace().collect::<Vec<_>>(), ALL);
    t.assert_nothing_left();
});

both!(the_state_on_stdin, |t: &mut Test| {
    share(t);
    t.spec["annotations"] = json!({"org.example.key": "value"});
    for kind in ALL {
        hook(t, kind, &format!("cat > $OUT/{kind}; echo $$ > $OUT/{kind}.pid"));
    }
    t.running();
    let pid = t.pid();
    t.call(&["delete", "--force", &t.id]).ok();
    for (kind, status) in ALL.into_iter().zip(["creating", "creating", "creating", "created", "running", "stopped"]) {
        let state = state(t, kind);
        assert_eq!(state["id"], json!(t.id), "{kind}");
        assert_eq!(state["ociVersion"], t.spec["ociVersion"], "{kind}");
        assert_eq!(state["bundle"], json!(t.bundle()), "{kind}");
        assert_eq!(state["annotations"]["org.example.key"], json!("value"), "{kind}");
        assert!(state["status"] == json!(status) || (!is_skiff() && kind == "poststart"), "{kind}: {state}");
        let expected = match kind {
            // As the hook itself sees it.
            "createContainer" | "startContainer" if is_skiff() => Some(1),
            "createContainer" | "startContainer" => continue,
            "poststop" => None,
            _ => Some(pid),
        };
        assert_eq!(state["pid"].as_i64().filter(|pid| *pid != 0), expected.map(i64::from), "{kind}: {state}");
    }
});

both!(the_namespaces_they_run_in, |t: &mut Test| {
    share(t);
    let kinds = ["mnt", "pid", "net", "ipc", "uts", "cgroup", "user"];
    let look = kinds.map(|kind| format!("readlink /proc/self/ns/{kind}")).join("; ");
    for kind in ALL {
        hook(t, kind, &format!("({look}) > $OUT/{kind}"));
    }
    t.running();
    let links =
        |at: &str| kinds.map(|kind| fs::read_link(format!("{at}/ns/{kind}")).unwrap().display().to_string()).join("\n") + "\n";
    let container = links(&format!("/proc/{}", t.pid()));
    assert_eq!(read(t, "createContainer"), container);
    assert_eq!(read(t, "startContainer"), container);
    t.call(&["delete", "--force", &t.id]).ok();
    let host = links("/proc/self");
    // The runtime of a private cgroup mount has a mount namespace of its own.
    let skipped = usize::from(t.mode == crate::common::Mode::V2);
    let runtime = |text: String| text.lines().skip(skipped).map(str::to_string).collect::<Vec<_>>();
    for kind in ["prestart", "createRuntime", "poststart", "poststop"] {
        assert_eq!(runtime(read(t, kind)), runtime(host.clone()), "{kind}");
    }
});

both!(the_mounts_are_there_and_the_root_is_not_entered, |t: &mut Test| {
    share(t);
    let rootfs = t.rootfs().display().to_string();
    // In the container's mount namespace: its root is at its host path, with everything on it.
    hook(
        t,
        "createContainer",
        &format!("(test -e {rootfs}/proc/self && test -c {rootfs}/dev/null && echo mounted; ls -d /usr) > $OUT/cc"),
    );
    hook(t, "createRuntime", "(hostname) > $OUT/cr");
    t.run().ok();
    assert_eq!(read(t, "cc"), "mounted\n/usr\n");
});

both!(environment_and_arguments, |t: &mut Test| {
    share(t);
    t.file("/bin/show", "#!/bin/sh\necho \"$0 $*\" > $OUT/args\nenv > $OUT/env\n", 0o755);
    let path = t.rootfs().join("bin/show");
    let out = format!("OUT={}", out(t).display());
    t.spec["hooks"] =
        json!({"createRuntime": [{"path": path, "args": ["zero", "one", "t w o"], "env": ["PATH=/bin", "ONLY=this", out]}]});
    t.run().ok();
    assert_eq!(read(t, "args"), format!("{} one t w o\n", path.display()));
    let env = read(t, "env");
    assert!(env.contains("ONLY=this\n") && !env.contains("HOME=") && !env.contains("CARGO"), "{env}");
});

both!(without_an_environment, |t: &mut Test| {
    share(t);
    // A script finds its programs by the PATH of the runtime's caller.
    let script = format!("env > {}/env", out(t).display());
    t.spec["hooks"] = json!({"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", script]}]});
    t.run().ok();
    assert!(read(t, "env").contains("PATH="), "{}", read(t, "env"));
});

both!(nothing_of_ours_is_open, |t: &mut Test| {
    skiff_only!(t, "runc leaves some to poststop hooks");
    share(t);
    for kind in ALL {
        // The directory itself is one more. Busybox's shell leaves SIGQUIT ignored to a last command.
        hook(
            t,
            kind,
            &format!(
                "ls /proc/self/fd | tr '\\n' ' ' > $OUT/{kind}; grep -E 'Sig(Ign|Blk)' /proc/self/status >> $OUT/{kind}; true"
            ),
        );
    }
    t.running();
    t.call(&["delete", "--force", &t.id]).ok();
    for kind in ALL {
        let seen = read(t, kind);
        assert!(seen.starts_with("0 1 2 3 "), "{kind}: {seen}");
        let masks = seen.lines().filter(|line| line.contains("\t"));
        let clean = |line: &str| {
            line.split_whitespace().last().is_some_and(|mask| u64::from_str_radix(mask, 16).unwrap() & !(0b11 << 31) == 0)
        };
        assert!(masks.clone().all(clean), "{kind}: {seen}");
    }
});

// Failures.

both!(a_failing_hook_fails_create, |t: &mut Test| {
    for kind in ["prestart", "createRuntime", "createContainer"] {
        t.spec["hooks"] = json!({});
        share(t);
        hook(t, kind, "exit 0");
        hook(t, kind, "echo some words >&2; exit 17");
        hook(t, kind, "touch $OUT/never");
        refused(t, &[&format!("{kind} hook #1"), "some words", "17"]);
        assert!(!out(t).join("never").exists());
        t.spec["mounts"].as_array_mut().unwrap().pop();
    }
});

both!(a_hook_that_is_killed_or_missing, |t: &mut Test| {
    for kind in ["prestart", "createRuntime", "createContainer"] {
        t.spec["hooks"] = json!({kind: [{"path": "/bin/sh", "args": ["sh", "-c", "kill -SEGV $$"]}]});
        refused(t, &[&format!("{kind} hook #0"), if is_skiff() { "signal 11" } else { "segmentation" }]);
        t.spec["hooks"] = json!({kind: [{"path": "/nowhere/hook"}]});
        refused(t, &[&format!("{kind} hook #0"), "/nowhere/hook", "o such file or directory"]);
    }
});

both!(a_hook_that_takes_too_long_is_killed, |t: &mut Test| {
    for kind in ["prestart", "createRuntime", "createContainer"] {
        // Its shell is killed; what it has left in the background is its own business.
        t.spec["hooks"] = json!({kind: [{"path": "/bin/sleep", "args": ["sleep", "1000"], "timeout": 1}]});
        let out = t.run();
        assert!(out.code == 1 && (out.stderr.contains(&format!("{kind} hook #0")) || !is_skiff()), "{out:?}");
        assert!(!is_skiff() || out.stderr.contains("timeout of 1 s"), "{out:?}");
        t.assert_nothing_left();
    }
});

both!(a_long_output_does_not_block, |t: &mut Test| {
    hook(t, "createRuntime", "seq 1 200000; seq 1 200000 >&2");
    t.run().ok();
    hook(t, "createRuntime", "seq 1 200000 >&2; exit 1");
    let out = t.run();
    assert!(out.code == 1 && out.stderr.contains("200000"), "{}", out.code);
    t.assert_nothing_left();
});

both!(a_hook_that_does_not_read_its_state, |t: &mut Test| {
    t.spec["annotations"] = json!({"long": "x".repeat(200_000)});
    for kind in ALL {
        hook(t, kind, "exec <&-; exit 0");
    }
    t.run().ok();
});

both!(what_a_hook_leaves_in_the_background_holds_nobody, |t: &mut Test| {
    skiff_only!(t, "runc waits for the end of its output");
    hook(t, "createRuntime", "sleep 1000000 & echo $! > $OUT");
    fs::remove_dir_all(out(t)).unwrap_or_default();
    t.run().ok();
    let pid: i32 = fs::read_to_string(out(t)).unwrap().trim().parse().unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).unwrap();
    let _ = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(pid), None);
});

both!(a_failing_start_hook_fails_start, |t: &mut Test| {
    skiff_only!(t, "runc 1.1 does not notice");
    share(t);
    hook(t, "startContainer", "echo some words >&2; exit 17");
    hook(t, "poststart", "touch $OUT/never");
    t.sh(&format!("touch {}/never", out(t).display()));
    t.create();
    let out_of_start = t.call(&["start", &t.id]);
    assert_ne!(out_of_start.code, 0, "{out_of_start:?}");
    assert!(!is_skiff() || out_of_start.stderr.lines().count() == 1, "{out_of_start:?}");
    t.wait_status("stopped");
    assert!(!out(t).join("never").exists());
    t.call(&["delete", &t.id]).ok();
    let run = t.run();
    assert_ne!(run.code, 0, "{run:?}");
    assert!(run.stderr.contains("some words") && run.stderr.contains("startContainer hook #0"), "{run:?}");
    t.assert_nothing_left();
});

both!(a_failing_poststart_hook_stops_the_container, |t: &mut Test| {
    skiff_only!(t, "the specification has it since 1.3");
    share(t);
    hook(t, "poststart", "echo some words >&2; exit 17");
    hook(t, "poststop", "touch $OUT/poststop");
    t.args(&["/bin/sleep", "1000000"]);
    t.create();
    t.call(&["start", &t.id]).fails_with(&["poststart hook #0", "some words"]);
    t.wait_status("stopped");
    t.call(&["delete", &t.id]).ok();
    assert!(out(t).join("poststop").exists());
    let out = t.run();
    out.fails_with(&["poststart hook #0"]);
    t.assert_nothing_left();
});

both!(poststop_hooks_run_whatever_happens, |t: &mut Test| {
    share(t);
    hook(t, "poststop", "echo first >> $OUT/log; exit 3");
    hook(t, "poststop", "echo second >> $OUT/log");
    t.running();
    let out = t.call(&["delete", "--force", &t.id]);
    assert!(read(t, "log").starts_with("first\n"), "{out:?}");
    if is_skiff() {
        // The specification: log a warning, and go on.
        assert_eq!(read(t, "log"), "first\nsecond\n");
    }
    t.assert_nothing_left();
});

both!(poststop_after_a_failed_create, |t: &mut Test| {
    share(t);
    hook(t, "createRuntime", "exit 1");
    hook(t, "poststop", "cat > $OUT/poststop");
    let out = t.call(&["create", &t.id]);
    assert_eq!(out.code, 1, "{out:?}");
    assert_eq!(state(t, "poststop")["status"], json!("stopped"));
    t.assert_nothing_left();
});

both!(wrong_hooks_are_refused_by_name, |t: &mut Test| {
    skiff_only!(t, "runc does not look");
    for (hook, words) in [
        (json!({"path": "bin/relative"}), &["hooks.createRuntime[0].path", "bin/relative"][..]),
        (json!({"path": "/bin/true", "timeout": 0}), &["hooks.createRuntime[0].timeout"]),
        (json!({"path": "/bin/true", "timeout": -1}), &["hooks.createRuntime[0].timeout"]),
        (json!({"path": "/bin/true", "args": ["a\u{0}b"]}), &["hooks.createRuntime[0].args[0]", "null byte"]),
    ] {
        t.spec["hooks"] = json!({"createRuntime": [hook]});
        refused(t, words);
    }
});

// What others do with them.

// nvidia-container-cli: enters the mount namespace of the state's process and mounts below the root's host path.
both!(a_prestart_hook_that_mounts_into_the_container, |t: &mut Test| {
    for kind in ["prestart", "createRuntime"] {
        t.spec["hooks"] = json!({});
        let rootfs = t.rootfs();
        fs::create_dir_all(rootfs.join("opt/driver")).unwrap();
        let script = format!(
            "pid=$(sed 's/.*\"pid\": *\\([0-9]*\\).*/\\1/') && \
             nsenter --mount=/proc/$pid/ns/mnt sh -c 'mount -t tmpfs tmpfs {0}/opt/driver && echo found > {0}/opt/driver/file'",
            rootfs.display()
        );
        hook(t, kind, &script);
        t.sh("cat /opt/driver/file; grep -c ' /opt/driver ' /proc/self/mountinfo");
        assert_eq!(t.run().ok(), "found\n1\n", "{kind}");
        assert!(!rootfs.join("opt/driver/file").exists());
    }
});

// CDI and libnvidia-container's ldconfig: a createContainer hook works below the root's host path.
both!(a_create_container_hook_that_changes_the_root, |t: &mut Test| {
    t.writable();
    let rootfs = t.rootfs();
    hook(
        t,
        "createContainer",
        &format!("ln -s /nowhere {0}/tmp/link && mkdir {0}/opt2 && mount --bind {0}/etc {0}/opt2", rootfs.display()),
    );
    t.sh("readlink /tmp/link; head -c 4 /opt2/passwd");
    assert_eq!(t.run().ok(), "/nowhere\nroot");
});

both!(a_start_container_hook_is_the_containers_own, |t: &mut Test| {
    t.writable();
    t.file("/bin/from-image", "#!/bin/sh\nid -u > /tmp/from-image\n", 0o755);
    t.spec["hooks"] = json!({"startContainer": [{"path": "/bin/from-image"}]});
    t.sh("cat /tmp/from-image");
    assert_eq!(t.run().ok(), "0\n");
});

both!(a_hook_may_call_the_runtime, |t: &mut Test| {
    skiff_only!(t, "runc 1.1 runs poststart hooks at the end of create");
    share(t);
    let state = format!("{} --root {} state {}", crate::common::binary().display(), t.root().display(), t.id);
    hook(t, "poststart", &format!("{state} > $OUT/state"));
    t.args(&["/bin/sleep", "1000000"]);
    t.create();
    t.start();
    assert_eq!(self::state(t, "state")["status"], json!("running"));
});

// A later edit of config.json has no effect.
both!(hooks_are_those_of_create, |t: &mut Test| {
    share(t);
    hook(t, "poststart", "echo poststart >> $OUT/log");
    hook(t, "poststop", "echo poststop >> $OUT/log");
    t.args(&["/bin/sleep", "1000000"]);
    t.create();
    t.spec["hooks"] = json!({});
    t.start();
    t.call(&["delete", "--force", &t.id]).ok();
    assert_eq!(read(t, "log"), "poststart\npoststop\n");
});
