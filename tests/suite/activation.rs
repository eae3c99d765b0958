//! What else a process is handed or spared: sockets, descriptors, a word to the service manager, keyring, personality.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::common::{FdSocket, Out, Test, is_skiff, refused_call, wait_until};

// Descriptors.

/// What lists the open descriptors; the last one is its own.
const LIST: &str = "ls /proc/self/fd | tr '\\n' ' '";

both!(preserved_descriptors, |t: &mut Test| {
    for (name, text) in [("three", "the third\n"), ("four", "the fourth\n")] {
        fs::write(t.dir().join(name), text).unwrap();
    }
    let redirect = format!("3<{0}/three 4<{0}/four 9</etc/passwd", t.dir().display());
    t.sh("cat <&4 <&3; cat <&4");
    assert_eq!(t.with_descriptors(&redirect, &["run", "--preserve-fds", "2", &t.id]).ok(), "the third\nthe fourth\n");
    t.sh(LIST);
    assert_eq!(t.with_descriptors(&redirect, &["run", "--preserve-fds", "2", &t.id]).ok(), "0 1 2 3 4 5 ");
    assert_eq!(t.with_descriptors(&redirect, &["run", "--preserve-fds=1", &t.id]).ok(), "0 1 2 3 4 ");
    assert_eq!(t.with_descriptors(&redirect, &["run", &t.id]).ok(), "0 1 2 3 ");
});

both!(preserved_descriptors_that_are_not_there, |t: &mut Test| {
    skiff_only!(t, "Debian's runc has none of this check in create");
    t.sh(LIST);
    for (redirect, count, missing) in
        [("3</etc/passwd 4<&- 5<&-", 2, 4), ("3<&- 4<&- 5<&- 6<&- 7<&-", 5, 3), ("3</etc/passwd 4<&- 5</etc/passwd", 3, 4)]
    {
        for verb in ["run", "create"] {
            let out = t.with_descriptors(redirect, &[verb, "--preserve-fds", &count.to_string(), &t.id]);
            out.fails_with(&["--preserve-fds", &format!("descriptor {missing}")]);
            t.assert_nothing_left();
        }
    }
});

/// As systemd does it for a service with a socket.
#[track_caller]
fn activated(t: &Test, redirect: &str, count: &str, args: &[&str]) -> Out {
    let inner = t.command(args);
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(format!("export LISTEN_PID=$$ LISTEN_FDS={count} LISTEN_FDNAMES=one:two; exec \"$@\" {redirect}"))
        .arg("sh");
    command.arg(inner.get_program()).args(inner.get_args()).current_dir(t.bundle()).stdin(Stdio::null());
    t.finish_command(command)
}

both!(sockets_of_the_service_manager, |t: &mut Test| {
    fs::write(t.dir().join("three"), "the third\n").unwrap();
    let redirect = format!("3<{0}/three 4</etc/passwd 5</etc/passwd", t.dir().display());
    t.sh(&format!("echo $LISTEN_FDS $LISTEN_PID; cat <&3; {LIST}"));
    let run = ["run", &t.id];
    assert_eq!(activated(t, &redirect, "1", &run).ok(), "1 1\nthe third\n0 1 2 3 4 ");
    assert_eq!(activated(t, &redirect, "2", &run).ok(), "2 1\nthe third\n0 1 2 3 4 5 ");
    // Preserved ones come behind them.
    assert_eq!(activated(t, &redirect, "2", &["run", "--preserve-fds", "1", &t.id]).ok(), "2 1\nthe third\n0 1 2 3 4 5 6 ");
    for none in ["0", "many", "-1"] {
        let out = activated(t, &redirect, none, &run);
        assert!(out.code == 0 || !is_skiff(), "{none}: {out:?}");
        assert!(out.stdout.starts_with("\nthe") || out.stdout.starts_with("\n0 1 2 3") || !is_skiff(), "{none}: {out:?}");
    }
});

both!(a_listening_socket_works_inside, |t: &mut Test| {
    let path = t.dir().join("listen.sock");
    let listener = UnixListener::bind(&path).unwrap();
    t.sh("readlink /proc/self/fd/3 | cut -d : -f 1");
    let raw = listener.as_raw_fd();
    let inner = t.command(&["run", &t.id]);
    let mut command = Command::new("sh");
    command.args(["-c", &format!("export LISTEN_FDS=1 LISTEN_PID=$$; exec \"$@\" 3<&{raw}"), "sh"]);
    command.arg(inner.get_program()).args(inner.get_args()).current_dir(t.bundle()).stdin(Stdio::null());
    nix::fcntl::fcntl(&listener, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty())).unwrap();
    let out = t.finish_command(command);
    assert_eq!(out.ok(), "socket\n");
});

both!(exec_is_activated_too, |t: &mut Test| {
    skiff_only!(t, "runc's exec passes none on");
    t.running();
    let script = format!("echo $LISTEN_FDS; {LIST}");
    let out = activated(t, "3</etc/passwd", "1", &["exec", &t.id, "/bin/sh", "-c", &script]);
    assert_eq!(out.ok(), "1\n0 1 2 3 4 ");
});

// The pid descriptor of a process.

/// The descriptor, and the process that it means by proc(5)'s fdinfo.
#[track_caller]
fn pidfd(socket: &FdSocket) -> (OwnedFd, i32) {
    let fd = socket.receive();
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd())).unwrap();
    let pid = info.lines().find_map(|line| line.strip_prefix("Pid:")).unwrap_or_else(|| panic!("no pidfd: {info}"));
    (fd, pid.trim().parse().unwrap())
}

both!(a_descriptor_of_the_process, |t: &mut Test| {
    skiff_only!(t, "runc since 1.2");
    let socket = FdSocket::new(t, "pidfd.sock");
    t.args(&["/bin/sleep", "1000000"]);
    t.call(&["create", "--pidfd-socket", socket.path(), &t.id]).ok();
    let (fd, pid) = pidfd(&socket);
    assert_eq!(pid, t.pid());
    t.start();
    t.call(&["exec", "--detach", "--pidfd-socket", socket.path(), &t.id, "/bin/sleep", "1000000"]).ok();
    let (second, pid) = pidfd(&socket);
    assert_ne!(pid, t.pid());
    skiff_sys::pidfd_send_signal(second.as_fd(), libc::SIGKILL).unwrap();
    nix::sys::wait::waitpid(Pid::from_raw(pid), None).unwrap();
    skiff_sys::pidfd_send_signal(fd.as_fd(), libc::SIGKILL).unwrap();
    t.wait_status("stopped");
    drop(socket);
    t.call(&["delete", &t.id]).ok();
    let missing = t.dir().join("nobody.sock");
    refused_call(t, &["create", "--pidfd-socket", missing.to_str().unwrap(), &t.id], &["--pidfd-socket", "o such file"]);
});

// The service manager.

/// A manager's socket; answers barriers.
struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Manager {
    fn new(t: &Test) -> Manager {
        let path = t.dir().join("manager.sock");
        let _ = fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        Manager { socket, path }
    }

    /// The next message that is no barrier.
    #[track_caller]
    fn hear(&self) -> String {
        let mut text = String::new();
        wait_until("a word to the manager", || {
            text = self.now().unwrap_or_default();
            !text.is_empty() && !text.starts_with("BARRIER")
        });
        text
    }

    fn now(&self) -> Option<String> {
        let mut buffer = [0; 4096];
        match skiff_sys::receive_with_fd(self.socket.as_fd(), &mut buffer) {
            Ok((length, _)) => Some(String::from_utf8_lossy(&buffer[..length]).into_owned()),
            Err(Errno::EAGAIN) => None,
            Err(errno) => panic!("hear: {errno}"),
        }
    }

    fn command(&self, t: &Test, args: &[&str]) -> Command {
        let mut command = t.command(args);
        command.env("NOTIFY_SOCKET", &self.path);
        command
    }
}

/// What a service in a container does to tell that it is ready: busybox has no client for datagrams on a Unix socket.
fn install_notify(t: &Test) -> bool {
    let source = t.dir().join("notify.c");
    let program = "#include <stdlib.h>\n#include <string.h>\n#include <sys/socket.h>\n#include <sys/un.h>\n\
        int main(int c, char **v) { struct sockaddr_un a = {AF_UNIX}; char *p = getenv(\"NOTIFY_SOCKET\"); if (!p) return 2;\n\
        strcpy(a.sun_path, p); int s = socket(AF_UNIX, SOCK_DGRAM, 0);\n\
        return sendto(s, v[1], strlen(v[1]), 0, (void *)&a, sizeof a) < 0; }\n";
    fs::write(&source, program).unwrap();
    let out = Command::new("gcc").args(["-static", "-o"]).arg(t.rootfs().join("bin/notify")).arg(&source).output();
    let made = out.is_ok_and(|out| out.status.success());
    if made {
        fs::set_permissions(t.rootfs().join("bin/notify"), fs::Permissions::from_mode(0o755)).unwrap();
    }
    made
}

both!(a_container_tells_the_manager_that_it_is_ready, |t: &mut Test| {
    if !install_notify(t) {
        skip!(t, "no gcc");
    }
    t.spec["process"]["user"] = json!({"uid": 1000, "gid": 1000});
    t.sh("echo $NOTIFY_SOCKET; while test ! -e /tmp/go; do sleep 0.01; done; notify STATUS=warming && notify READY=1 && exec sleep 1000000");
    t.writable();
    let manager = Manager::new(t);
    t.finish_command(manager.command(t, &["create", &t.id])).ok();
    let start = t.spawn(manager.command(t, &["start", &t.id]));
    t.wait_status("running");
    assert!(manager.now().is_none(), "too early");
    fs::write(t.rootfs().join("tmp/go"), "").unwrap();
    let word = manager.hear();
    assert!(word.lines().any(|line| line == "READY=1"), "{word}");
    assert!(word.lines().any(|line| line == format!("MAINPID={}", t.pid())) || !is_skiff(), "{word}");
    while manager.now().is_some() {}
    start.wait().ok();
    assert_eq!(t.status(), "running");
});

both!(a_container_that_ends_unready_does_not_hold_start, |t: &mut Test| {
    skiff_only!(t, "runc waits for ever");
    t.sh("exit 3");
    let manager = Manager::new(t);
    t.finish_command(manager.command(t, &["create", &t.id])).ok();
    let out = t.finish_command(manager.command(t, &["start", &t.id]));
    assert!(out.code == 0 || !is_skiff(), "{out:?}");
    t.wait_status("stopped");
});

both!(a_run_in_the_foreground_tells_it_too, |t: &mut Test| {
    skiff_only!(t, "runc's word names no process");
    if !install_notify(t) {
        skip!(t, "no gcc");
    }
    t.sh("notify READY=1; echo ready; exec sleep 1000000");
    let manager = Manager::new(t);
    let mut running = t.spawn(manager.command(t, &["run", &t.id]));
    running.wait_for("ready");
    let word = manager.hear();
    assert!(word.contains("READY=1") && word.contains("MAINPID="), "{word}");
    while manager.now().is_some() {}
    kill(Pid::from_raw(t.pid()), Signal::SIGKILL).unwrap();
    running.wait().exits(137);
    t.assert_nothing_left();
});

both!(no_manager_no_socket, |t: &mut Test| {
    assert_eq!(t.run_sh("echo [$NOTIFY_SOCKET]; ls /run 2>/dev/null | wc -l"), "[]\n0\n");
});

// The keyring.

both!(a_session_keyring_of_its_own, |t: &mut Test| {
    if !std::path::Path::new("/proc/keys").exists() {
        skip!(t, "no /proc/keys");
    }
    // It shows every keyring of the user's, so that names decide.
    t.spec["linux"]["maskedPaths"] = json!([]);
    t.args(&["/bin/cat", "/proc/keys"]);
    let has = |out: &Out, id: &str| out.ok().contains(&format!("_ses.{id}:"));
    assert!(has(&t.run(), &t.id));
    let other = format!("{}-none", t.id);
    assert!(!has(&t.call(&["run", "--no-new-keyring", &other]), &other));
    t.running();
    assert!(has(&t.call(&["exec", &t.id, "/bin/cat", "/proc/keys"]), &t.id));
});

// The personality.

both!(a_32_bit_personality, |t: &mut Test| {
    skiff_only!(t, "runc since 1.2");
    t.spec["linux"]["personality"] = json!({"domain": "LINUX32"});
    assert_eq!(t.run_sh("uname -m; cat /proc/self/personality"), "i686\n00000008\n");
    t.running();
    assert_eq!(t.call(&["exec", &t.id, "/bin/uname", "-m"]).ok(), "i686\n");
    t.call(&["delete", "--force", &t.id]).ok();
    t.spec["linux"]["personality"] = json!({"domain": "LINUX"});
    assert_eq!(t.run_sh("uname -m; cat /proc/self/personality"), "x86_64\n00000000\n");
    t.spec["linux"].as_object_mut().unwrap().remove("personality");
    assert_eq!(t.run_sh("cat /proc/self/personality"), "00000000\n");
});

both!(personalities_that_nobody_has, |t: &mut Test| {
    skiff_only!(t, "runc since 1.2");
    t.spec["linux"]["personality"] = json!({"domain": "SOLARIS"});
    crate::common::refused(t, &["config.json", "personality"]);
    // The specification defines no flag: with a warning in the log, as runc has it.
    t.spec["linux"]["personality"] = json!({"domain": "LINUX32", "flags": ["ADDR_NO_RANDOMIZE"]});
    assert_eq!(t.run_sh("cat /proc/self/personality"), "00000008\n");
});

// Single dashes, as containerd's client writes them.

both!(options_with_one_dash, |t: &mut Test| {
    t.args(&["/bin/true"]);
    t.call(&["run", "-no-subreaper", "-no-pivot", "-no-new-keyring", &t.id]).ok();
    t.call(&["run", "--no-subreaper", "--no-pivot", &t.id]).ok();
    let out = t.call(&["run", "-keep", &t.id]);
    out.ok();
    assert_eq!(t.status(), "stopped");
});

host_only!(the_twin_keeps_its_callers_descriptors, |t: &mut Test| {
    // The runtime executes itself once more; its caller's pipe must end when it ends, and not before.
    t.args(&["/bin/echo", "line"]);
    let mut command = t.command(&["run", &t.id]);
    command.stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "line");
    assert!(lines.next().is_none());
    assert!(child.wait().unwrap().success());
});
