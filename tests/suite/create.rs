//! `create`: what must be there when it returns, and what must not.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use crate::common::Test;

both!(waits_for_start, |t: &mut Test| {
    t.sh("echo started");
    let out = t.create();
    assert_eq!(t.status(), "created");
    let pid = t.pid();
    assert!(pid > 0, "{pid}");
    assert_eq!(out.stdout_now(), "", "the process ran before start");
    t.start();
    out.wait_for("started");
    t.wait_status("stopped");
    t.call(&["delete", &t.id]).ok();
    t.assert_nothing_left();
});

both!(pid_file_is_the_bare_number, |t: &mut Test| {
    let file = t.dir().join("pid");
    t.call(&["create", "--pid-file", file.to_str().unwrap(), &t.id]).ok();
    assert_eq!(fs::read_to_string(file).unwrap(), t.pid().to_string());
});

both!(relative_pid_file_is_the_callers, |t: &mut Test| {
    let bundle = t.bundle();
    let mut command = t.command(&["create", "--bundle", bundle.to_str().unwrap(), "--pid-file", "pid", &t.id]);
    command.current_dir(t.dir());
    t.finish_command(command).ok();
    assert_eq!(fs::read_to_string(t.dir().join("pid")).unwrap(), t.pid().to_string());
    assert!(!bundle.join("pid").exists());
});

both!(relative_bundle, |t: &mut Test| {
    let mut command = t.command(&["create", "-b", "bundle", &t.id]);
    command.current_dir(t.dir());
    t.finish_command(command).ok();
    assert_eq!(t.state()["bundle"], t.bundle().to_str().unwrap());
});

both!(options_may_follow_the_id, |t: &mut Test| {
    skiff_only!(t, "Go's flag package stops at the first operand");
    let file = t.dir().join("pid");
    t.call(&["create", &t.id, "--pid-file", file.to_str().unwrap(), "--bundle", "."]).ok();
    assert_eq!(fs::read_to_string(file).unwrap(), t.pid().to_string());
});

host_only!(config_option_names_the_file, |t: &mut Test| {
    skiff_only!(t, "crun's --config");
    t.sh("echo from other.json");
    fs::write(t.bundle().join("other.json"), t.spec.to_string()).unwrap();
    t.sh("echo from config.json");
    assert_eq!(t.call(&["run", "--config", "other.json", &t.id]).ok(), "from other.json\n");
});

both!(second_create_of_an_id_is_refused, |t: &mut Test| {
    t.create();
    let pid = t.pid();
    t.call(&["create", &t.id]).fails_with(&["exist"]);
    assert_eq!((t.status().as_str(), t.pid()), ("created", pid), "the first one was touched");
    t.start();
});

host_only!(second_create_says_what_is_in_the_way, |t: &mut Test| {
    skiff_only!(t, "wording");
    t.create();
    let bundle = t.bundle();
    t.call(&["create", &t.id]).fails_with(&[&t.id, "created", bundle.to_str().unwrap()]);
});

both!(stdio_is_inherited, |t: &mut Test| {
    t.sh("read line; echo \"out $line\"; echo \"err $line\" >&2");
    fs::write(t.dir().join("input"), "hello\n").unwrap();
    let mut command = t.command(&["create", &t.id]);
    command.stdin(Stdio::from(fs::File::open(t.dir().join("input")).unwrap()));
    let running = t.spawn(command);
    let out = running.wait();
    out.ok();
    t.start();
    out.wait_for("out hello");
    t.wait_status("stopped");
    assert_eq!(out.stderr_now(), "err hello\n");
});

both!(no_pivot, |t: &mut Test| {
    t.sh("ls -d /bin/busybox; test -e /work; echo $?");
    assert_eq!(t.call(&["run", "--no-pivot", &t.id]).ok(), "/bin/busybox\n1\n");
});

both!(accepted_flags, |t: &mut Test| {
    t.call(&["create", "--no-new-keyring", &t.id]).ok();
});

host_only!(console_socket_without_a_terminal, |t: &mut Test| {
    skiff_only!(t, "runc refuses it");
    let socket = t.dir().join("console.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    t.call(&["create", "--console-socket", socket.to_str().unwrap(), &t.id]).ok();
});

both!(state_directory_is_private, |t: &mut Test| {
    t.create();
    for dir in [t.root(), t.root().join(&t.id)] {
        let mode = fs::metadata(&dir).unwrap().permissions().mode();
        assert_eq!(mode & 0o066, 0, "others may look into {}: {mode:o}", dir.display());
    }
});

both!(a_created_container_is_in_its_cgroup, |t: &mut Test| {
    t.create();
    let pid = t.pid().to_string();
    let cgroups = t.cgroups();
    assert!(!cgroups.is_empty());
    for cgroup in cgroups {
        let pids = fs::read_to_string(cgroup.join("cgroup.procs")).unwrap();
        assert_eq!(pids.trim(), pid, "{}", cgroup.display());
    }
});

both!(preserved_descriptors, |t: &mut Test| {
    t.sh("cat <&3; ls /proc/self/fd | wc -l");
    fs::write(t.dir().join("input"), "from fd 3\n").unwrap();
    let input = t.dir().join("input").display().to_string();
    let out = t.with_descriptors(&format!("3<{input} 4<{input}"), &["run", "--preserve-fds", "1", &t.id]);
    // 0 1 2, the preserved 3, and the one that ls itself reads.
    assert_eq!(out.ok(), "from fd 3\n5\n");
});

both!(missing_preserved_descriptor_is_refused, |t: &mut Test| {
    skiff_only!(t, "newer runc refuses it");
    let out = t.call(&["run", "--preserve-fds", "3", &t.id]);
    assert_ne!(out.code, 0, "{out:?}");
    t.assert_nothing_left();
});

both!(only_stdio_is_open_inside, |t: &mut Test| {
    t.args(&["/bin/ls", "/proc/self/fd"]);
    let out = t.with_descriptors("7</ 9</etc/passwd", &["run", &t.id]);
    assert_eq!(out.ok(), "0\n1\n2\n3\n", "3 is the directory that ls reads");
});
