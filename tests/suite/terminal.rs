//! Terminals: of containers and of processes that exec starts, handed to a console socket or relayed.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, OutputFlags};
use nix::unistd::Pid;
use serde_json::json;

use crate::common::pty::{Pty, wait};
use crate::common::{FdSocket, Test, is_skiff, refused_call, wait_until};

/// Why much of this cannot be tried on runc.
const NO_TTY: &str = "runc relays only with a /dev/tty of its own";

/// A container with a terminal and an interactive shell.
fn shell(t: &mut Test) {
    terminal(t, &["/bin/sh"]);
}

fn terminal(t: &mut Test, args: &[&str]) {
    t.spec["process"]["terminal"] = json!(true);
    t.spec["process"]["env"] = json!(["PATH=/bin", "PS1=$ ", "TERM=dumb"]);
    let stty = t.rootfs().join("bin/stty");
    if !stty.exists() {
        fs::hard_link(t.rootfs().join("bin/busybox"), stty).unwrap();
    }
    t.args(args);
}

fn console_socket(t: &Test) -> FdSocket {
    FdSocket::new(t, "console.sock")
}

#[track_caller]
fn master(socket: &FdSocket) -> Pty {
    Pty::of(socket.receive())
}

fn pid_file(t: &Test) -> String {
    t.dir().join("pid").to_str().unwrap().to_string()
}

/// The exit code of a detached process: it became our child. Until we have asked for it, its pid namespace does not end.
#[track_caller]
fn orphan(pid_file: &str) -> i32 {
    let pid = Pid::from_raw(fs::read_to_string(pid_file).unwrap().parse().unwrap());
    let mut code = None;
    wait_until("the end of a detached process", || {
        code = match nix::sys::wait::waitpid(pid, None) {
            Ok(nix::sys::wait::WaitStatus::Exited(_, code)) => Some(code),
            _ => None,
        };
        code.is_some()
    });
    code.unwrap()
}

// Handed to a client.

both!(a_created_container_hands_its_terminal_over, |t: &mut Test| {
    shell(t);
    let socket = console_socket(t);
    t.call(&["create", "--console-socket", socket.path(), &t.id]).ok();
    let mut pty = master(&socket);
    t.start();
    pty.expect("$ ");
    pty.send("echo $((6 * 7)); tty; test -t 0 && test -t 1 && test -t 2 && echo all three\n");
    pty.expect("42\r\n");
    let tty = pty.expect("\r\nall three\r\n");
    assert!(["/dev/pts/0", "/dev/console"].contains(&tty.trim()), "{tty}");
    pty.send("exit 3\n");
    t.wait_status("stopped");
});

both!(a_detached_run_hands_its_terminal_over, |t: &mut Test| {
    terminal(t, &["/bin/sh", "-c", "read line; echo got $line; exec sleep 1000000"]);
    let socket = console_socket(t);
    t.call(&["run", "--detach", "--console-socket", socket.path(), &t.id]).ok();
    let mut pty = master(&socket);
    pty.send("a line\n");
    pty.expect("got a line\r\n");
});

both!(an_attached_run_hands_its_terminal_over_too, |t: &mut Test| {
    skiff_only!(t, "runc refuses a console socket there");
    terminal(t, &["/bin/sh", "-c", "echo here; exit 4"]);
    let socket = console_socket(t);
    let running = t.spawn(t.command(&["run", "--console-socket", socket.path(), &t.id]));
    master(&socket).expect("here\r\n");
    running.wait().exits(4);
});

both!(exec_hands_its_terminal_over, |t: &mut Test| {
    t.running();
    let socket = console_socket(t);
    let script = "tty; read line; echo got $line; exit 5";
    let pid = pid_file(t);
    let options = ["exec", "--tty", "--detach", "--pid-file", &pid, "--console-socket", socket.path()];
    t.call(&[&options[..], &[&t.id, "/bin/sh", "-c", script]].concat()).ok();
    let mut pty = master(&socket);
    pty.expect("/dev/pts/0\r\n");
    pty.send("a line\n");
    pty.expect("got a line\r\n");
    pty.rest();
    assert_eq!(orphan(&pid), 5);
});

both!(exec_waits_although_it_has_handed_its_terminal_over, |t: &mut Test| {
    skiff_only!(t, "runc refuses a console socket there");
    t.running();
    let socket = console_socket(t);
    let command = t.command(&["exec", "-t", "--console-socket", socket.path(), &t.id, "/bin/sh", "-c", "read line; exit 5"]);
    let running = t.spawn(command);
    let pty = master(&socket);
    pty.send("\n");
    running.wait().exits(5);
});

both!(exec_by_a_process_file_with_a_terminal, |t: &mut Test| {
    t.running();
    let process = t.dir().join("process.json");
    let stty = t.rootfs().join("bin/stty");
    fs::hard_link(t.rootfs().join("bin/busybox"), stty).unwrap();
    let content = json!({"terminal": true, "consoleSize": {"height": 11, "width": 22}, "args": ["/bin/sh", "-c", "stty size; id -u"],
        "env": ["PATH=/bin"], "cwd": "/", "user": {"uid": 1000, "gid": 1000}});
    fs::write(&process, content.to_string()).unwrap();
    let socket = console_socket(t);
    let pid = pid_file(t);
    let options = ["exec", "-d", "--pid-file", &pid, "--console-socket", socket.path()];
    t.call(&[&options[..], &["-p", process.to_str().unwrap(), &t.id]].concat()).ok();
    let mut pty = master(&socket);
    if is_skiff() {
        pty.expect("11 22\r\n");
    }
    pty.expect("1000\r\n");
    assert_eq!(orphan(&pid), 0);
});

both!(a_console_socket_without_a_terminal, |t: &mut Test| {
    // Clients pass it without a look at config.json.
    skiff_only!(t, "runc refuses it");
    let socket = console_socket(t);
    t.args(&["/bin/echo", "plain"]);
    assert_eq!(t.call(&["run", "--console-socket", socket.path(), &t.id]).ok(), "plain\n");
    assert!(socket.connection().is_none());
    t.running();
    assert_eq!(t.call(&["exec", "--console-socket", socket.path(), &t.id, "/bin/echo", "plain"]).ok(), "plain\n");
    assert!(socket.connection().is_none());
});

both!(a_terminal_that_nobody_would_get, |t: &mut Test| {
    shell(t);
    refused_call(t, &["create", &t.id], &["process.terminal", "--console-socket"]);
    refused_call(t, &["run", "--detach", &t.id], &["process.terminal", "--console-socket"]);
    t.spec["process"]["terminal"] = json!(false);
    t.running();
    let out = t.call(&["exec", "--tty", "--detach", &t.id, "/bin/true"]);
    assert!(out.code == 255 || !is_skiff() && out.code != 0, "{out:?}");
    assert!(out.stderr.contains("onsole"), "{out:?}");
});

both!(a_console_socket_that_is_not_there, |t: &mut Test| {
    shell(t);
    let missing = t.dir().join("nobody.sock");
    refused_call(
        t,
        &["create", "--console-socket", missing.to_str().unwrap(), &t.id],
        &["nobody.sock", "o such file or directory"],
    );
    let dead = t.dir().join("dead.sock");
    drop(UnixListener::bind(&dead).unwrap());
    refused_call(t, &["create", "--console-socket", dead.to_str().unwrap(), &t.id], &["dead.sock", "onnection refused"]);
});

both!(a_console_socket_whose_client_leaves, |t: &mut Test| {
    // It is gone before the master comes: an error, and nothing is left.
    shell(t);
    t.spec["hooks"] =
        json!({"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", "while test ! -e gone; do sleep 0.01; done"]}]});
    let socket = console_socket(t);
    let running = t.spawn(t.command(&["create", "--console-socket", socket.path(), &t.id]));
    let mut stream = None;
    wait_until("a connection", || {
        // runc connects only in init, behind the hooks.
        stream = socket.connection();
        stream.is_some() || !is_skiff()
    });
    drop((stream, socket));
    fs::write(t.bundle().join("gone"), "").unwrap();
    let out = running.wait();
    assert_ne!(out.code, 0, "{out:?}");
    t.assert_nothing_left();
});

// How it looks from inside.

both!(the_size_comes_from_the_config, |t: &mut Test| {
    terminal(t, &["/bin/stty", "size"]);
    t.spec["process"]["consoleSize"] = json!({"height": 33, "width": 77});
    let socket = console_socket(t);
    t.call(&["create", "--console-socket", socket.path(), &t.id]).ok();
    let mut pty = master(&socket);
    t.start();
    pty.expect("33 77\r\n");
    t.call(&["delete", "--force", &t.id]).ok();
    if is_skiff() {
        assert_eq!(t.run().ok().trim(), "33 77");
    }
});

both!(it_is_the_controlling_terminal_and_belongs_to_the_user, |t: &mut Test| {
    skiff_only!(t, NO_TTY);
    terminal(
        t,
        &[
            "/bin/sh",
            "-c",
            "stat -c '%u %g %a' /dev/pts/0; echo x > /dev/tty && echo y > /dev/console; cut -d ' ' -f 6,7,8 /proc/self/stat; echo $$",
        ],
    );
    t.spec["process"]["user"] = json!({"uid": 1000, "gid": 1000});
    let out = t.run();
    let lines: Vec<&str> = out.ok().lines().collect();
    assert_eq!(lines[..3], ["1000 5 620", "x", "y"], "{out:?}");
    let fields: Vec<&str> = lines[3].split(' ').collect();
    // Session of process 1, on pts 0, whose foreground group is the shell's.
    assert_eq!(fields, ["1", "34816", "1"], "{out:?}");
});

both!(another_user_of_an_exec, |t: &mut Test| {
    skiff_only!(t, NO_TTY);
    t.running();
    let script = "stat -c '%u %a' /dev/pts/0; echo x > /dev/tty; id -u";
    assert_eq!(t.call(&["exec", "-t", "--user", "1000:1000", &t.id, "/bin/sh", "-c", script]).ok(), "1000 620\nx\n1000\n");
    assert_eq!(t.call(&["exec", "-t", &t.id, "/bin/sh", "-c", "ls -1 /dev/pts"]).ok(), "0\nptmx\n");
});

both!(standard_devices_are_left_alone, |t: &mut Test| {
    // Another user's process must not own /dev/null.
    t.running();
    let before = fs::metadata("/dev/null").unwrap();
    t.call(&["exec", "--user", "1000:1000", &t.id, "/bin/true"]).ok();
    let after = fs::metadata("/dev/null").unwrap();
    use std::os::unix::fs::MetadataExt;
    assert_eq!((before.uid(), before.gid(), before.mode()), (after.uid(), after.gid(), after.mode()));
});

// CVE-2026-88264: what is below /dev may be an image's.
both!(a_console_that_is_a_link, |t: &mut Test| {
    skiff_only!(t, NO_TTY);
    let outside = t.dir().join("outside");
    fs::write(&outside, "mine").unwrap();
    t.spec["mounts"].as_array_mut().unwrap().retain(|mount| !mount["destination"].as_str().unwrap().starts_with("/dev"));
    t.mount("/dev/pts", "devpts", "devpts", &["newinstance", "ptmxmode=0666", "mode=0620"]);
    symlink(&outside, t.rootfs().join("dev/console")).unwrap();
    terminal(t, &["/bin/true"]);
    let out = t.run();
    assert!(out.code == 1 && out.stderr.contains("/dev/console"), "{out:?}");
    assert_eq!(fs::read_to_string(&outside).unwrap(), "mine");
    t.assert_nothing_left();
});

both!(no_devpts, |t: &mut Test| {
    skiff_only!(t, NO_TTY);
    t.spec["mounts"].as_array_mut().unwrap().retain(|mount| mount["destination"] != "/dev/pts");
    terminal(t, &["/bin/true"]);
    t.run().fails_with(&["process.terminal", "/dev/pts"]);
    t.assert_nothing_left();
});

both!(a_read_only_dev, |t: &mut Test| {
    skiff_only!(t, NO_TTY);
    t.remount("/dev", "tmpfs", "tmpfs", &["nosuid", "mode=755", "ro"]);
    let mounts = t.spec["mounts"].as_array_mut().unwrap();
    // It must come before what lies below it.
    let dev = mounts.pop().unwrap();
    mounts.insert(1, dev);
    terminal(t, &["/bin/sh", "-c", "touch /dev/x 2>/dev/null || echo read-only; echo y > /dev/console"]);
    assert_eq!(t.run().ok(), "read-only\ny\n");
});

// Relayed.

both!(a_person_at_a_terminal, |t: &mut Test| {
    shell(t);
    let mut pty = Pty::new(40, 100);
    let before = pty.settings();
    let child = pty.spawn(&t.command(&["run", &t.id]));
    pty.expect("$ ");
    let during = pty.settings();
    assert!(!during.local_flags.intersects(LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG), "not raw");
    pty.send("stty size\n");
    pty.expect("40 100\r\n");
    pty.expect("$ ");
    pty.send("seq 1 5 | grep -v 3 | wc -l\n");
    pty.expect("4\r\n");
    pty.expect("$ ");
    pty.send("exit 6\n");
    pty.expect("exit 6\r\n");
    assert_eq!(wait(child), 6);
    assert_eq!(format!("{:?}", pty.settings()), format!("{before:?}"), "not as it was");
    assert!(!pty.seen.contains("job control"), "{}", pty.seen);
    assert!(!pty.seen.contains("\r\r\n"), "{:?}", pty.seen);
    t.assert_nothing_left();
});

both!(a_window_that_changes, |t: &mut Test| {
    terminal(t, &["/bin/sh", "-c", "trap 'stty size' WINCH; echo ready; while true; do sleep 0.02; done"]);
    let mut pty = Pty::new(40, 100);
    let child = pty.spawn(&t.command(&["run", &t.id]));
    pty.expect("ready\r\n");
    pty.resize(50, 120);
    pty.expect("50 120\r\n");
    pty.resize(24, 80);
    pty.expect("24 80\r\n");
    t.kill("KILL");
    assert_eq!(wait(child), 137);
});

both!(a_window_that_changes_around_an_exec, |t: &mut Test| {
    skiff_only!(t, "runc hands the size on when the process runs already");
    terminal(t, &[]);
    t.spec["process"]["terminal"] = json!(false);
    t.running();
    let mut pty = Pty::new(40, 100);
    let script = "stty size; trap 'stty size; exit 8' WINCH; echo ready; while true; do sleep 0.02; done";
    let child = pty.spawn(&t.command(&["exec", "-t", &t.id, "/bin/sh", "-c", script]));
    pty.expect("40 100\r\nready\r\n");
    pty.resize(50, 120);
    pty.expect("50 120\r\n");
    assert_eq!(wait(child), 8);
});

both!(control_c_reaches_the_foreground_process, |t: &mut Test| {
    shell(t);
    let mut pty = Pty::new(24, 80);
    let child = pty.spawn(&t.command(&["run", &t.id]));
    pty.expect("$ ");
    pty.send("sleep 1000000\n");
    pty.expect("sleep 1000000\r\n");
    wait_until("the foreground process", || {
        let tree = fs::read_to_string(format!("/proc/{0}/task/{0}/children", t.pid())).unwrap_or_default();
        let running = |pid: &str| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line == b"sleep\x001000000\0");
        tree.split_whitespace().any(running)
    });
    pty.send("\u{3}");
    pty.expect("$ ");
    pty.send("echo $?\n");
    pty.expect("130\r\n");
    pty.expect("$ ");
    pty.send("\u{4}");
    assert_eq!(wait(child), 0);
});

both!(job_control, |t: &mut Test| {
    shell(t);
    let mut pty = Pty::new(24, 80);
    let child = pty.spawn(&t.command(&["run", &t.id]));
    pty.expect("$ ");
    pty.send("sleep 1000000 &\n");
    pty.expect("$ ");
    pty.send("jobs; kill %1; wait; echo after\n");
    pty.expect("Running");
    pty.expect("after\r\n");
    pty.send("exit\n");
    wait(child);
});

both!(signals_are_clean_behind_a_terminal, |t: &mut Test| {
    shell(t);
    let mut pty = Pty::new(24, 80);
    let child = pty.spawn(&t.command(&["run", &t.id]));
    pty.expect("$ ");
    pty.send("grep -E 'Sig(Ign|Blk)' /proc/self/status; echo end\n");
    pty.expect("status; echo end\r\n");
    let seen = pty.expect("end\r\n");
    let masks: Vec<u64> =
        seen.lines().map(|line| u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap()).collect();
    assert_eq!(masks.iter().map(|mask| mask & !(0b11 << 31)).collect::<Vec<_>>(), [0, 0], "{seen}");
    pty.send("exit\n");
    wait(child);
});

both!(an_exec_at_a_terminal, |t: &mut Test| {
    skiff_only!(t, "runc sets the terminal up when the process runs already");
    t.running();
    let mut pty = Pty::new(24, 80);
    let before = pty.settings();
    let child = pty.spawn(&t.command(&["exec", "--tty", "--env", "PS1=> ", &t.id, "/bin/sh"]));
    pty.expect("> ");
    pty.send("tty; echo $((6 * 7)) | cat\n");
    pty.expect("/dev/pts/0\r\n42\r\n");
    pty.send("exit 9\n");
    assert_eq!(wait(child), 9);
    assert_eq!(format!("{:?}", pty.settings()), format!("{before:?}"), "not as it was");
});

both!(a_terminal_is_given_back_when_nothing_starts, |t: &mut Test| {
    terminal(t, &["/bin/nobody"]);
    let mut pty = Pty::new(24, 80);
    let before = pty.settings();
    let child = pty.spawn(&t.command(&["run", &t.id]));
    assert_eq!(wait(child), 1);
    assert_eq!(format!("{:?}", pty.settings()), format!("{before:?}"), "not as it was");
    pty.expect("no such file or directory");
    t.assert_nothing_left();
});

both!(a_container_that_is_killed_gives_the_terminal_back, |t: &mut Test| {
    shell(t);
    let mut pty = Pty::new(24, 80);
    let before = pty.settings();
    let child = pty.spawn(&t.command(&["run", &t.id]));
    pty.expect("$ ");
    t.kill("KILL");
    assert_eq!(wait(child), 137);
    assert_eq!(format!("{:?}", pty.settings()), format!("{before:?}"), "not as it was");
    t.assert_nothing_left();
});

both!(a_window_that_is_closed_ends_the_container, |t: &mut Test| {
    // Process 1 of a pid namespace is immune to SIGHUP, so that it would live on without a window, as under runc.
    t.without_namespace("pid");
    shell(t);
    let mut pty = Pty::new(24, 80);
    let child = pty.spawn(&t.command(&["run", &t.id]));
    pty.expect("$ ");
    drop(pty);
    wait(child);
    t.assert_nothing_left();
});

both!(a_window_that_is_closed_ends_the_shell_in_it, |t: &mut Test| {
    // Process 1 of a pid namespace is immune to SIGHUP; any other is not.
    t.running();
    let mut pty = Pty::new(24, 80);
    let child = pty.spawn(&t.command(&["exec", "-t", "--env", "PS1=> ", &t.id, "/bin/sh"]));
    pty.expect("> ");
    drop(pty);
    wait(child);
    assert_eq!(t.status(), "running");
});

// No terminal of our own: CRI-O, and scripts.

both!(lines_end_as_programs_expect, |t: &mut Test| {
    skiff_only!(t, NO_TTY);
    // With a carriage return each, about 30 of runc's own tests fail.
    terminal(t, &["/bin/sh", "-c", "echo one; echo two >&2; exit 3"]);
    let out = t.run();
    assert_eq!((out.code, out.stdout.as_str(), out.stderr.as_str()), (3, "one\ntwo\n", ""));
    t.spec["process"]["terminal"] = json!(false);
    t.running();
    let out = t.call(&["exec", "-t", &t.id, "/bin/sh", "-c", "test -t 0 && echo one; echo two >&2; exit 3"]);
    assert_eq!((out.code, out.stdout.as_str(), out.stderr.as_str()), (3, "one\ntwo\n", ""));
});

both!(a_handed_over_terminal_is_left_as_it_is, |t: &mut Test| {
    // It is the client who knows what is at its other end.
    shell(t);
    let socket = console_socket(t);
    t.call(&["create", "--console-socket", socket.path(), &t.id]).ok();
    let pty = master(&socket);
    let settings = nix::sys::termios::tcgetattr(pty.master()).unwrap();
    assert!(settings.output_flags.contains(OutputFlags::ONLCR));
    assert!(settings.local_flags.contains(LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG));
});

both!(input_from_a_pipe, |t: &mut Test| {
    skiff_only!(t, NO_TTY);
    t.running();
    let script = "read a; echo got $a; read b; echo got $b; exit 4";
    let mut command = t.command(&["exec", "--tty", &t.id, "/bin/sh", "-c", script]);
    command.stdin(Stdio::piped());
    let mut running = t.spawn(command);
    let mut input = running.child.stdin.take().unwrap();
    input.write_all(b"one\n").unwrap();
    running.wait_for("got one");
    input.write_all(b"two\n").unwrap();
    running.wait().exits(4);
});

both!(input_that_ends_at_once, |t: &mut Test| {
    skiff_only!(t, NO_TTY);
    // The process goes on, and all it prints is passed on.
    t.running();
    let out = t.call(&["exec", "-t", &t.id, "/bin/sh", "-c", "sleep 0.1; seq 1 3000; exit 4"]);
    assert_eq!(out.exits(4).stdout, (1..=3000).map(|number| format!("{number}\n")).collect::<String>());
    terminal(t, &["/bin/sh", "-c", "seq 1 3000; exit 4"]);
    t.call(&["delete", "-f", &t.id]).ok();
    let out = t.run();
    assert_eq!(out.exits(4).stdout, (1..=3000).map(|number| format!("{number}\n")).collect::<String>());
});

both!(nothing_is_lost_at_the_end, |t: &mut Test| {
    skiff_only!(t, NO_TTY);
    t.running();
    for _ in 0..40 {
        assert_eq!(t.call(&["exec", "-t", &t.id, "/bin/echo", "last words"]).ok(), "last words\n");
    }
    assert_eq!(t.call(&["exec", "-t", &t.id, "/bin/sh", "-c", "ls /dev/pts | grep -c '^[1-9]'; true"]).ok(), "0\n");
});

both!(output_that_nobody_reads_any_more, |t: &mut Test| {
    skiff_only!(t, NO_TTY);
    terminal(t, &["/bin/sh", "-c", "seq 1 20000; exit 4"]);
    let mut command = t.command(&["run", &t.id]);
    command.stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(wait(child), 4);
    t.assert_nothing_left();
});

both!(a_detached_process_left_behind_does_not_hold_the_relay, |t: &mut Test| {
    skiff_only!(t, NO_TTY);
    // It keeps the slave open: the end of the process that was asked for counts.
    t.running();
    let out = t.call(&["exec", "-t", &t.id, "/bin/sh", "-c", "(trap '' HUP; exec sleep 1000000) & echo left; exit 2"]);
    assert_eq!((out.code, out.stdout.as_str()), (2, "left\n"), "{out:?}");
});

both!(signals_go_to_a_process_with_a_terminal, |t: &mut Test| {
    skiff_only!(t, NO_TTY);
    t.running();
    let script = "trap 'echo got it; exit 3' USR1; echo ready; while true; do sleep 0.01; done";
    let mut running = t.spawn(t.command(&["exec", "-t", &t.id, "/bin/sh", "-c", script]));
    running.wait_for("ready");
    kill(Pid::from_raw(running.pid()), Signal::SIGUSR1).unwrap();
    assert_eq!(running.wait().exits(3).stdout, "ready\ngot it\n");
});

both!(in_the_background_of_a_job_controlling_shell, |t: &mut Test| {
    // A runtime that is not in the foreground must neither stop nor take the terminal.
    skiff_only!(t, "runc does not come to its end there");
    terminal(t, &["/bin/sh", "-c", "echo from inside; exit 0"]);
    let inner = t.command(&["run", &t.id]);
    let mut command = Command::new("bash");
    command.args(["-c", "set -m; \"$@\" & wait $!; echo code $?; stty -a | grep -c ' icanon'", "sh"]);
    command.arg(inner.get_program()).args(inner.get_args()).current_dir(t.bundle());
    let mut pty = Pty::new(24, 80);
    let child = pty.spawn(&command);
    pty.expect("code 0\r\n1\r\n");
    assert_eq!(wait(child), 0);
    assert!(pty.seen.contains("from inside"), "{}", pty.seen);
});
