//! `run`: the process's exit becomes ours, signals go through, nothing stays.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::common::{Test, wait_until};

both!(output_and_exit_code, |t: &mut Test| {
    t.sh("echo out; echo err >&2; exit 7");
    let out = t.run();
    assert_eq!((out.code, out.stdout.as_str(), out.stderr.as_str()), (7, "out\n", "err\n"));
    t.assert_nothing_left();
});

both!(exit_codes_are_passed_on, |t: &mut Test| {
    for code in [0, 1, 2, 126, 127, 128, 255] {
        t.sh(&format!("exit {code}"));
        t.run().exits(code);
    }
    t.assert_nothing_left();
});

both!(a_signalled_process_gives_128_and_the_signal, |t: &mut Test| {
    // Process 1 of a pid namespace is immune to all but KILL.
    t.without_namespace("pid");
    t.sh("echo ready; exec sleep 1000000");
    for signal in [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGABRT, Signal::SIGSEGV] {
        let mut running = t.spawn(t.command(&["run", &t.id]));
        running.wait_for("ready");
        kill(Pid::from_raw(t.pid()), signal).unwrap();
        running.wait().exits(128 + signal as i32);
    }
    t.assert_nothing_left();
});

both!(a_process_that_ends_at_once_is_not_missed, |t: &mut Test| {
    t.args(&["/bin/true"]);
    for _ in 0..50 {
        t.run().ok();
    }
    t.args(&["/bin/false"]);
    for _ in 0..10 {
        t.run().exits(1);
    }
    t.assert_nothing_left();
});

both!(signals_are_forwarded, |t: &mut Test| {
    for (name, signal) in [("TERM", Signal::SIGTERM), ("HUP", Signal::SIGHUP), ("USR1", Signal::SIGUSR1), ("INT", Signal::SIGINT)]
    {
        t.sh(&format!("trap 'echo got {name}; exit 3' {name}; echo ready; while true; do sleep 0.01; done"));
        let mut running = t.spawn(t.command(&["run", &t.id]));
        running.wait_for("ready");
        kill(Pid::from_raw(running.pid()), signal).unwrap();
        let out = running.wait();
        assert_eq!((out.code, out.stdout.as_str()), (3, format!("ready\ngot {name}\n").as_str()), "{out:?}");
    }
    t.assert_nothing_left();
});

both!(detached, |t: &mut Test| {
    t.sh("echo ready; exec sleep 1000000");
    let file = t.dir().join("pid");
    let out = t.call(&["run", "--detach", "--pid-file", file.to_str().unwrap(), &t.id]);
    out.exits(0);
    assert_eq!(out.stderr, "");
    out.wait_for("ready");
    assert_eq!(t.status(), "running");
    assert_eq!(fs::read_to_string(file).unwrap(), t.pid().to_string());
    t.kill("KILL");
    t.wait_status("stopped");
    t.call(&["delete", &t.id]).ok();
    t.assert_nothing_left();
});

both!(a_detached_container_becomes_our_child, |t: &mut Test| {
    t.sh("exit 9");
    let file = t.dir().join("pid");
    t.call(&["run", "-d", "--pid-file", file.to_str().unwrap(), &t.id]).ok();
    let pid: i32 = fs::read_to_string(file).unwrap().parse().unwrap();
    let mut status = None;
    wait_until("the orphan's end", || {
        status = waitpid(Pid::from_raw(pid), None).ok();
        status.is_some()
    });
    assert_eq!(status, Some(WaitStatus::Exited(Pid::from_raw(pid), 9)));
    assert_eq!(t.status(), "stopped");
});

both!(keep_leaves_the_stopped_container, |t: &mut Test| {
    t.args(&["/bin/true"]);
    t.call(&["run", "--keep", &t.id]).ok();
    assert_eq!(t.status(), "stopped");
    t.call(&["delete", &t.id]).ok();
    t.assert_nothing_left();
});

both!(standard_input_from_a_pipe, |t: &mut Test| {
    t.args(&["/bin/cat"]);
    let mut command = t.command(&["run", &t.id]);
    command.stdin(Stdio::piped());
    let mut running = t.spawn(command);
    let mut input = running.child.stdin.take().unwrap();
    input.write_all(b"through the pipe\n").unwrap();
    running.wait_for("through the pipe");
    drop(input);
    assert_eq!(running.wait().ok(), "through the pipe\n");
});

both!(process_one_without_a_handler_ignores_term, |t: &mut Test| {
    t.sh("echo ready; exec sleep 1000000");
    let mut running = t.spawn(t.command(&["run", &t.id]));
    running.wait_for("ready");
    kill(Pid::from_raw(running.pid()), Signal::SIGTERM).unwrap();
    assert_eq!(t.status(), "running");
    t.kill("KILL");
    running.wait().exits(137);
    t.assert_nothing_left();
});

both!(processes_left_behind_end_with_the_container, |t: &mut Test| {
    t.sh("sleep 1000000 & echo left; exit 0");
    assert_eq!(t.run().ok(), "left\n");
    t.assert_nothing_left();
});

both!(processes_left_behind_without_a_pid_namespace, |t: &mut Test| {
    skiff_only!(t, "runc leaves them or warns");
    t.without_namespace("pid");
    t.sh("sleep 1000000 & echo left; exit 0");
    assert_eq!(t.run().ok(), "left\n");
    t.assert_nothing_left();
});

both!(no_parent_and_no_zombie_stays, |t: &mut Test| {
    // In a pid namespace of its own the shell is process 1 and gets every orphan; it reaps none of them.
    t.args(&["/bin/sleep", "1000000"]);
    let inner = t.command(&["create", &t.id]);
    let list = "for stat in /proc/[0-9]*/stat; do cat $stat; done | awk '{ print $2, $3, $4 }'";
    let script = format!("\"$@\" >/dev/null; echo; {list}");
    let mut command = std::process::Command::new("unshare");
    command.args(["-p", "-f", "-m", "--mount-proc", "sh", "-c", &script, "sh"]);
    command.arg(inner.get_program()).args(inner.get_args()).current_dir(t.bundle()).stdin(Stdio::null());
    let out = t.finish_command(command);
    out.exits(0);
    let others: Vec<&str> = out.stdout.lines().filter(|line| !line.is_empty() && !line.starts_with("(sh)")).collect();
    let mut alive: Vec<&&str> = others.iter().filter(|line| !line.starts_with("(awk)") && !line.starts_with("(cat)")).collect();
    let init = alive.pop().unwrap_or_else(|| panic!("no init in {others:?}"));
    assert!(init.ends_with(" 1") && !init.contains(" Z "), "init is no child of process 1: {init}");
    assert!(alive.is_empty(), "more than init is left: {others:?}");
});
