//! `exec` in a container whose process is a module: modules as instances of their own, and native programs.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::common::{Test, wait_until};
use crate::exec::{exec, inside, processes, refused};
use crate::wasm::{ask, put, waiting};

guests!(a_module_is_an_instance_of_its_own, |t| {
    put(t, "hello", "/hello.wasm");
    put(t, "exit", "/exit.wasm");
    waiting(t, "sleep");
    assert_eq!(exec(t, &[], &["/hello.wasm"]).ok(), "hello from wasm\n");
    assert_eq!(exec(t, &[], &["/exit.wasm", "proc", "7"]).exits(7).stdout, "proc 7\n");
    let out = exec(t, &[], &["/exit.wasm", "abort"]);
    assert!(out.code == 134 && out.stderr.contains("wasm trap: "), "{out:?}");
    assert_eq!(t.status(), "running");
});

guests!(a_native_program_is_native, |t| {
    waiting(t, "busy");
    assert_eq!(inside(t, &[], "echo native; id -u"), "native\n0\n");
    exec(t, &[], &["/bin/sh", "-c", "exit 7"]).exits(7);
    exec(t, &[], &["/bin/sh", "-c", "kill -KILL $$"]).exits(137);
    let kinds = ["pid", "net", "mnt", "ipc", "uts"];
    let script = kinds.map(|kind| format!("readlink /proc/self/ns/{kind}")).join(";");
    let of_init = |kind| fs::read_link(format!("/proc/{}/ns/{kind}", t.pid())).unwrap();
    let wanted: String = kinds.iter().map(|kind| format!("{}\n", of_init(kind).display())).collect();
    assert_eq!(inside(t, &[], &script), wanted);
});

guests!(options_reach_a_module, |t| {
    put(t, "world", "/sub/world.wasm");
    ask(t, "env", "SHOWN,EMPTY");
    waiting(t, "sleep");
    let options = ["--env", "SHOWN=x y", "--env", "EMPTY=", "--env", "HIDDEN=1", "--cwd", "/sub"];
    let out = exec(t, &options, &["world.wasm", "a", "b c"]);
    let seen: Vec<&str> = out.exits(0).stdout.lines().collect();
    assert_eq!(seen[..3], ["arg 0 [world.wasm]", "arg 1 [a]", "arg 2 [b c]"], "{out:?}");
    let env: Vec<&str> = seen.iter().copied().filter(|line| line.starts_with("env ")).collect();
    assert_eq!(env, ["env [SHOWN=x y]", "env [EMPTY=]"], "{out:?}");
    assert!(out.stdout.contains("tty 1 [no]") && out.stderr == "stderr is heard\n", "{out:?}");
    put(t, "fds", "/fds.wasm");
    let (files, terminal) = (exec(t, &[], &["/fds.wasm"]), exec(t, &["--tty"], &["/fds.wasm"]));
    assert!(files.stdout.contains("fd 1 file ") && files.stdout.contains("fd 2 file "), "{files:?}");
    assert!(terminal.stdout.contains("fd 1 character ") && terminal.stdout.contains("fd 2 character "), "{terminal:?}");
});

guests!(a_module_is_read_as_the_user, |t| {
    put(t, "hello", "/private.wasm");
    let file = t.rootfs().join("private.wasm");
    fs::set_permissions(&file, Permissions::from_mode(0o400)).unwrap();
    chown(&file, Some(1000), Some(1000)).unwrap();
    waiting(t, "sleep");
    assert_eq!(exec(t, &["--user", "1000:1000"], &["/private.wasm"]).ok(), "hello from wasm\n");
    refused(t, &["--user", "1001:1001"], &["/private.wasm"], &["exec: \"/private.wasm\": permission denied"]);
});

guests!(what_is_not_there, |t| {
    waiting(t, "sleep");
    refused(t, &[], &["/none"], &["exec: \"/none\": stat /none: no such file or directory"]);
    refused(t, &[], &["none.wasm"], &["exec: \"none.wasm\": executable file not found in $PATH"]);
    put(t, "component", "/component.wasm");
    refused(t, &[], &["/component.wasm"], &["exec: \"/component.wasm\": ", "a WebAssembly component"]);
    assert_eq!(t.status(), "running");
});

guests!(detached, |t| {
    put(t, "wait", "/other.wasm");
    waiting(t, "sleep");
    let pid_file = t.dir().join("pid");
    exec(t, &["--detach", "--pid-file", pid_file.to_str().unwrap()], &["/other.wasm", "busy"]).ok();
    let text = fs::read_to_string(&pid_file).unwrap();
    let pid = Pid::from_raw(text.parse().unwrap());
    wait_until("the name of its own", || fs::read_to_string(format!("/proc/{pid}/comm")).unwrap() == "other.wasm\n");
    assert_eq!(processes(t.pid()), [text]);
    kill(pid, Signal::SIGTERM).unwrap();
    // It is our child by now.
    assert_eq!(waitpid(pid, None), Ok(WaitStatus::Exited(pid, 143)));
    assert_eq!(t.status(), "running");
});

/// How many processes the container shows, the one that looks among them.
fn shown(t: &Test) -> usize {
    let names = exec(t, &[], &["/bin/ls", "/proc"]).ok().to_string();
    names.lines().filter(|name| name.chars().all(|c| c.is_ascii_digit())).count()
}

// A zombie would show up in /proc.
guests!(no_zombie_is_left_by_an_orphan, |t| {
    waiting(t, "sleep");
    inside(t, &[], "sleep 1000000 & sleep 1000001 & exit 0");
    assert_eq!(shown(t), 4);
    inside(t, &[], "kill $(ps -o pid,args | awk '/sleep 100000[0-9]/ && !/awk/ { print $1 }')");
    wait_until("the end of the orphans", || shown(t) == 2);
});

guests!(the_limits_are_those_of_the_container, |t| {
    put(t, "memory", "/memory.wasm");
    ask(t, "memory", "6553600");
    waiting(t, "sleep");
    let out = exec(t, &[], &["/memory.wasm", "grow"]);
    assert_eq!(out.ok(), "began with 2 pages\ngrew to 98 pages\n");
});
