//! The life of a container whose process is a module: it is that of any container.

use std::fs::{self, File};
use std::io::Write;
use std::process::Stdio;

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::common::pty::Pty;
use crate::common::{FdSocket, Test, wait_until};
use crate::wasm::{ask, module, proc_file, waiting};

/// The exit code of the container's process, which is our child by now.
#[track_caller]
fn ends(t: &Test, pid: i32) -> i32 {
    match waitpid(Pid::from_raw(pid), None).unwrap() {
        WaitStatus::Exited(_, code) => code,
        WaitStatus::Signaled(_, signal, _) => 128 + signal as i32,
        other => panic!("{}: {other:?}", t.id),
    }
}

guests!(created_started_stopped_deleted, |t| {
    module(t, "wait", &["sleep"]);
    let out = t.create();
    let pid = t.pid();
    assert_eq!(t.status(), "created");
    assert_eq!(out.stdout_now(), "");
    t.start();
    out.wait_for("sleep\n");
    assert_eq!((t.status().as_str(), t.pid()), ("running", pid));
    t.call(&["delete", &t.id]).exits(1);
    t.call(&["start", &t.id]).exits(1);
    t.call(&["kill", &t.id]).ok();
    t.wait_status("stopped");
    assert_eq!(ends(t, pid), 143);
    t.call(&["delete", &t.id]).ok();
    t.assert_nothing_left();
});

const ENDING: [(&str, i32); 5] = [("TERM", 143), ("INT", 130), ("HUP", 129), ("QUIT", 131), ("KILL", 137)];

/// Each signal that ends a program ends a module in `state`, in the foreground.
fn signals(t: &mut Test, state: &str) {
    module(t, "wait", &[state]);
    for (signal, code) in ENDING {
        let mut command = t.command(&["run", &t.id]);
        command.stdin(Stdio::piped());
        let mut running = t.spawn(command);
        running.wait_for(state);
        t.kill(signal);
        assert_eq!(running.wait().exits(code).stdout, format!("{state}\n"), "{signal}");
        t.assert_nothing_left();
    }
}

guests!(signals_in_a_busy_loop, |t| signals(t, "busy"));
guests!(signals_in_a_sleep, |t| signals(t, "sleep"));
guests!(signals_in_a_read, |t| signals(t, "read"));

guests!(signals_before_the_start, |t| {
    module(t, "wait", &["busy"]);
    for (signal, code) in ENDING {
        t.create();
        let pid = t.pid();
        t.kill(signal);
        t.wait_status("stopped");
        assert_eq!(ends(t, pid), code, "{signal}");
        t.call(&["delete", &t.id]).ok();
        t.assert_nothing_left();
    }
});

guests!(other_signals_change_nothing, |t| {
    waiting(t, "busy");
    for signal in ["WINCH", "CHLD", "CONT"] {
        t.kill(signal);
    }
    assert_eq!(t.status(), "running");
});

guests!(the_runtime_in_front_hands_signals_on, |t| {
    module(t, "wait", &["sleep"]);
    let mut running = t.spawn(t.command(&["run", &t.id]));
    running.wait_for("sleep");
    nix::sys::signal::kill(Pid::from_raw(running.pid()), nix::sys::signal::Signal::SIGTERM).unwrap();
    running.wait().exits(143);
    t.assert_nothing_left();
});

guests!(what_list_ps_and_state_say, |t| {
    waiting(t, "busy");
    let state = t.state();
    assert_eq!(state["bundle"], t.bundle().to_str().unwrap());
    assert_eq!(state["annotations"]["run.oci.handler"], "wasm-smart");
    let pids: Vec<i32> = serde_json::from_str(t.call(&["ps", "-f", "json", &t.id]).ok()).unwrap();
    assert_eq!(pids, [t.pid()]);
    let table = t.call(&["ps", &t.id, "-e", "-o", "pid,comm,args"]);
    let line: Vec<&str> = table.ok().lines().nth(1).unwrap_or_default().split_whitespace().collect();
    assert_eq!(line, [&t.pid().to_string(), "wait.wasm", "/wait.wasm", "busy"], "{table:?}");
    let list: Value = serde_json::from_str(t.call(&["list", "-f", "json"]).ok()).unwrap();
    assert_eq!((&list[0]["id"], &list[0]["status"], &list[0]["pid"]), (&json!(t.id), &json!("running"), &json!(t.pid())));
});

/// Ticks of a processor that the container's process has had.
fn ticks(t: &Test) -> u64 {
    let stat = proc_file(t, "stat");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

guests!(pause_and_resume, |t| {
    waiting(t, "busy");
    t.call(&["pause", &t.id]).ok();
    assert_eq!(t.status(), "paused");
    let before = ticks(t);
    for _ in 0..5 {
        t.call(&["state", &t.id]).ok();
    }
    assert_eq!(ticks(t), before);
    t.call(&["exec", &t.id, "/bin/true"]).exits(255);
    t.call(&["resume", &t.id]).ok();
    wait_until("time that goes on", || ticks(t) > before);
    t.call(&["delete", "--force", &t.id]).ok();
    t.assert_nothing_left();
});

guests!(deleted_by_force_in_each_state, |t| {
    for state in ["busy", "sleep"] {
        waiting(t, state);
        t.call(&["delete", "--force", &t.id]).ok();
        t.assert_nothing_left();
    }
    t.create();
    t.call(&["delete", "--force", &t.id]).ok();
    t.assert_nothing_left();
});

guests!(detached_with_a_pid_file, |t| {
    module(t, "wait", &["sleep"]);
    let pid_file = t.dir().join("pid");
    let out = t.call(&["run", "--detach", "--pid-file", pid_file.to_str().unwrap(), &t.id]);
    out.wait_for("sleep");
    assert_eq!(fs::read_to_string(pid_file).unwrap(), t.pid().to_string());
    assert_eq!(t.status(), "running");
});

guests!(the_exit_code_of_a_created_container, |t| {
    module(t, "exit", &["proc", "300"]);
    let out = t.create();
    let pid = t.pid();
    t.start();
    assert_eq!(ends(t, pid), 44);
    assert_eq!(out.stdout_now(), "proc 300\n");
});

guests!(input_through_a_pipe, |t| {
    module(t, "world", &[]);
    let mut command = t.command(&["run", &t.id]);
    command.stdin(Stdio::piped());
    let mut running = t.spawn(command);
    running.wait_for("tty 2 [no]");
    let mut input = running.child.stdin.take().unwrap();
    input.write_all(b"a line\nand no end").unwrap();
    drop(input);
    let out = running.wait();
    assert!(out.exits(0).stdout.ends_with("stdin [a line]\nstdin [and no end]\n"), "{out:?}");
    assert_eq!(out.stderr, "stderr is heard\n");
});

guests!(output_that_is_full, |t| {
    module(t, "hello", &[]);
    let mut command = t.command(&["run", &t.id]);
    command.stdin(Stdio::null());
    command.stdout(Stdio::from(File::options().write(true).open("/dev/full").unwrap()));
    let out = command.output().unwrap();
    assert!(out.status.code().is_some_and(|code| code < 128), "{out:?}");
});

guests!(a_terminal_in_front, |t| {
    module(t, "world", &[]);
    t.spec["process"]["terminal"] = json!(true);
    let mut pty = Pty::new(24, 80);
    let child = pty.spawn(&t.command(&["run", &t.id]));
    for fd in 0..3 {
        pty.expect(&format!("tty {fd} [yes]\r\n"));
    }
    pty.send("typed\n\u{4}");
    pty.expect("stdin [typed]\r\n");
    pty.expect("stderr is heard\r\n");
    assert_eq!(crate::common::pty::wait(child), 0);
});

guests!(a_terminal_for_a_client, |t| {
    module(t, "world", &[]);
    t.spec["process"]["terminal"] = json!(true);
    let socket = FdSocket::new(t, "console.sock");
    t.call(&["create", "--console-socket", socket.path(), &t.id]).ok();
    let mut pty = Pty::of(socket.receive());
    t.start();
    pty.expect("tty 2 [yes]\r\n");
    pty.send("typed\n\u{4}");
    pty.expect("stdin [typed]\r\n");
    t.wait_status("stopped");
});

// The terminal's own signal: the module is its session's leader.
guests!(a_key_that_interrupts, |t| {
    module(t, "wait", &["busy"]);
    t.spec["process"]["terminal"] = json!(true);
    let mut pty = Pty::new(24, 80);
    let child = pty.spawn(&t.command(&["run", &t.id]));
    pty.expect("busy\r\n");
    pty.send("\u{3}");
    assert_eq!(crate::common::pty::wait(child), 130);
});

guests!(hooks, |t| {
    let out = t.dir().join("out");
    fs::create_dir(&out).unwrap();
    let shown = out.to_str().unwrap().to_string();
    t.bind(&out, &shown, &["bind", "rw"]);
    let kinds = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];
    for kind in kinds {
        let script = format!("echo {kind} >>{shown}/log");
        t.spec["hooks"][kind] = json!([{"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/usr/bin:/bin"]}]);
    }
    let log = || fs::read_to_string(out.join("log")).unwrap_or_default();
    module(t, "wait", &["sleep"]);
    let created = t.create();
    assert_eq!(log().split_whitespace().collect::<Vec<_>>(), kinds[..3]);
    t.start();
    created.wait_for("sleep");
    assert_eq!(log().split_whitespace().collect::<Vec<_>>(), kinds[..5]);
    t.call(&["delete", "--force", &t.id]).ok();
    assert_eq!(log().split_whitespace().collect::<Vec<_>>(), kinds);
    t.spec["hooks"]["startContainer"] = json!([{"path": "/bin/false"}]);
    let refused = t.run();
    assert!(refused.code != 0 && !refused.stdout.contains("sleep"), "{refused:?}");
    t.assert_nothing_left();
});

guests!(descriptors_that_are_handed_on, |t| {
    ask(t, "preopens", "");
    module(t, "fds", &[]);
    let out = t.with_descriptors("3</etc/passwd 4</etc/group", &["run", "--preserve-fds", "2", &t.id]);
    assert!(out.ok().ends_with("\n3 open\n"), "{out:?}");
});

guests!(checkpoint_is_refused, |t| {
    waiting(t, "sleep");
    t.call(&["checkpoint", &t.id]).exits(1);
    assert_eq!(t.status(), "running");
});
