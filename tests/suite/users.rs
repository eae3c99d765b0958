//! User namespaces, namespaces that are joined, and runtimes without privileges.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::common::{Out, Test, copy_program, is_skiff, refused, wait_until};

/// The first id of the host that the containers get.
const BASE: u32 = 100_000;
/// Whoever runs the runtime without privileges.
pub(crate) const NOBODY: u32 = 12_345;

/// Ids 0 to 65535 of the container are those from `BASE` on.
fn mapped(t: &mut Test) {
    t.with_namespace("user");
    let map = json!([{"containerID": 0, "hostID": BASE, "size": 65536}]);
    t.spec["linux"]["uidMappings"] = map.clone();
    t.spec["linux"]["gidMappings"] = map;
    chown_all(&t.rootfs(), BASE);
}

fn chown_all(path: &Path, id: u32) {
    let out = Command::new("chown").args(["-R", "-h", &format!("{id}:{id}")]).arg(path).output().unwrap();
    assert!(out.status.success(), "{out:?}");
}

both!(ids_and_maps, |t: &mut Test| {
    mapped(t);
    assert_eq!(
        t.run_sh("id -u; id -g; tr -s ' ' < /proc/self/uid_map; tr -s ' ' < /proc/self/gid_map"),
        format!("0\n0\n 0 {BASE} 65536\n 0 {BASE} 65536\n")
    );
    assert_eq!(t.run_sh("cat /proc/self/setgroups"), "allow\n");
    t.spec["process"]["user"] = json!({"uid": 1000, "gid": 1000, "additionalGids": [7]});
    assert_eq!(t.run_sh("id -u; id -G"), "1000\n1000 7\n");
    t.spec["process"]["user"] = json!({"uid": 0, "gid": 0});
    t.running();
    let status = fs::metadata(format!("/proc/{}", t.pid())).unwrap();
    assert_eq!((status.uid(), status.gid()), (BASE, BASE));
});

both!(what_the_runtime_makes_belongs_to_the_mapped_root, |t: &mut Test| {
    mapped(t);
    let mqueue = t.spec["mounts"].as_array().unwrap().iter().any(|mount| mount["type"] == "mqueue");
    // /proc itself is the kernel's, whoever mounts it.
    let mut paths = vec![
        "/",
        "/proc/1/",
        "/dev",
        "/dev/pts",
        "/dev/shm",
        "/proc/sys/net/ipv4/ip_forward",
        "/sys/class/net/lo/",
        "/etc/passwd",
    ];
    if mqueue {
        paths.push("/dev/mqueue");
    }
    for path in paths {
        assert_eq!(t.run_sh(&format!("stat -c %u {path}")), "0\n", "{path}");
    }
    // Devices are the host's, bound: nobody's, and usable.
    assert_eq!(t.run_sh("echo x > /dev/null && head -c 3 /dev/zero | wc -c; head -c 1 /dev/urandom | wc -c"), "3\n1\n");
    assert_eq!(t.run_sh("touch /dev/shm/x && touch /dev/x && stat -c '%u %g' /dev/shm/x"), "0 0\n");
    assert_eq!(t.run_sh("ls -l /dev/fd /dev/ptmx | wc -l"), "2\n");
});

both!(a_terminal_of_a_mapped_user, |t: &mut Test| {
    skiff_only!(t, "runc relays only with a /dev/tty of its own");
    mapped(t);
    t.spec["process"]["terminal"] = json!(true);
    assert_eq!(t.run_sh("tty; stat -c '%u %g' /dev/pts/0; echo x > /dev/tty; echo y > /dev/console"), "/dev/pts/0\n0 5\nx\ny\n");
});

both!(the_root_has_no_power_over_the_host, |t: &mut Test| {
    mapped(t);
    t.capabilities(&["CAP_DAC_OVERRIDE", "CAP_SYS_ADMIN", "CAP_CHOWN"]);
    let secret = t.dir().join("secret");
    fs::write(&secret, "hidden").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    t.bind(&secret, "/mnt/secret", &["bind"]);
    t.sh("stat -c %u /mnt/secret; cat /mnt/secret 2>/dev/null || echo refused; chown 0 /mnt/secret 2>/dev/null || echo refused");
    assert_eq!(t.run().ok(), "65534\nrefused\nrefused\n");
    assert_eq!(fs::metadata(&secret).unwrap().uid(), 0);
});

both!(a_bind_source_that_only_the_hosts_root_reaches, |t: &mut Test| {
    mapped(t);
    let private = t.dir().join("private");
    fs::create_dir(&private).unwrap();
    fs::write(private.join("file"), "a file\n").unwrap();
    fs::create_dir(private.join("dir")).unwrap();
    fs::write(private.join("dir/inner"), "inner\n").unwrap();
    fs::set_permissions(&private, fs::Permissions::from_mode(0o700)).unwrap();
    t.bind(&private.join("file"), "/mnt/file", &["bind", "ro"]);
    t.bind(&private.join("dir"), "/mnt/dir", &["rbind", "rw", "nosuid", "rprivate"]);
    let inside = t.run_sh("cat /mnt/file /mnt/dir/inner; grep ' /mnt/' /proc/self/mountinfo | cut -d ' ' -f 5,6,7");
    assert!(inside.starts_with("a file\ninner\n"), "{inside}");
    assert!(inside.contains("/mnt/file ro,") && inside.contains("/mnt/dir rw,nosuid"), "{inside}");
    assert!(!inside.contains("shared:"), "{inside}");
});

both!(a_root_below_a_directory_that_only_the_hosts_root_reaches, |t: &mut Test| {
    skiff_only!(t, "runc fails with another word");
    mapped(t);
    let private = t.dir().join("private");
    fs::create_dir(&private).unwrap();
    fs::rename(t.rootfs(), private.join("rootfs")).unwrap();
    fs::set_permissions(&private, fs::Permissions::from_mode(0o700)).unwrap();
    t.spec["root"]["path"] = json!(private.join("rootfs"));
    let out = t.args(&["/bin/echo", "fine"]).run();
    fs::set_permissions(&private, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(private.join("rootfs"), t.rootfs()).unwrap();
    // Docker and podman open the way themselves; here only a clear error counts, or success.
    assert!(out.code == 0 && out.stdout == "fine\n" || out.code == 1 && out.stderr.contains("root.path"), "{out:?}");
});

both!(file_systems_of_its_own, |t: &mut Test| {
    mapped(t);
    t.mount("/mnt/tmp", "tmpfs", "tmpfs", &["size=1m", "mode=1777", "nosuid"]);
    t.mount("/mnt/owned", "tmpfs", "tmpfs", &["uid=33", "gid=34"]);
    t.sh("stat -c '%u %a' /mnt/tmp; stat -c '%u %g' /mnt/owned; df -m /mnt/tmp | tail -n 1 | awk '{ print $2 }'");
    assert_eq!(t.run().ok(), "0 1777\n33 34\n1\n");
});

both!(kernel_parameters_and_limits, |t: &mut Test| {
    mapped(t);
    t.spec["linux"]["sysctl"] = json!({"net.ipv4.ip_unprivileged_port_start": "7", "kernel.msgmax": "12345"});
    t.spec["process"]["rlimits"] = json!([{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}]);
    t.spec["process"]["oomScoreAdj"] = json!(300);
    t.spec["hostname"] = json!("mapped");
    t.sh("cd /proc/sys; cat net/ipv4/ip_unprivileged_port_start kernel/msgmax kernel/hostname; ulimit -n; cat /proc/self/oom_score_adj");
    assert_eq!(t.run().ok(), "7\n12345\nmapped\n100\n300\n");
});

both!(exec_into_it, |t: &mut Test| {
    mapped(t);
    t.spec["process"]["user"]["additionalGids"] = json!([7]);
    t.running();
    let exec = |options: &[&str], script: &str| {
        t.call(&[&["exec"], options, &[&t.id, "/bin/sh", "-c", script]].concat()).ok().to_string()
    };
    assert_eq!(exec(&[], "id -u; id -G; tr -s ' ' < /proc/self/uid_map"), format!("0\n0 7\n 0 {BASE} 65536\n"));
    assert_eq!(exec(&["--user", "1000:1000"], "id -u; stat -c %u /proc/self/"), "1000\n1000\n");
    for kind in ["user", "pid", "mnt", "net", "ipc", "uts", "cgroup"] {
        let both = exec(&[], &format!("readlink /proc/self/ns/{kind}; readlink /proc/1/ns/{kind}"));
        let lines: Vec<&str> = both.lines().collect();
        assert_eq!(lines[0], lines[1], "{kind}");
    }
    if is_skiff() {
        assert_eq!(exec(&["-t"], "tty; stat -c %u /dev/pts/0"), "/dev/pts/0\n0\n");
    }
    let out = t.call(&["exec", &t.id, "/bin/nobody"]);
    assert_eq!(out.code, 255, "{out:?}");
});

both!(no_way_back_to_the_hosts_ids, |t: &mut Test| {
    mapped(t);
    t.spec["process"]["user"] = json!({"uid": 70_000, "gid": 0});
    let out = t.run();
    assert!(out.code == 1 && (out.stderr.contains("nvalid argument") || !is_skiff()), "{out:?}");
    t.assert_nothing_left();
});

both!(hooks_of_a_mapped_container, |t: &mut Test| {
    mapped(t);
    let log = t.dir().join("log");
    for kind in ["createRuntime", "poststop"] {
        let script = format!("id -u >> {}", log.display());
        t.spec["hooks"][kind] = json!([{"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/bin:/usr/bin"]}]);
    }
    t.run().ok();
    assert_eq!(fs::read_to_string(&log).unwrap(), "0\n0\n");
});

both!(maps_that_make_no_sense, |t: &mut Test| {
    skiff_only!(t, "wording");
    mapped(t);
    let map = |container: u32, size: u32| json!([{"containerID": container, "hostID": BASE, "size": size}]);
    let good = t.spec.clone();
    t.spec["linux"].as_object_mut().unwrap().remove("uidMappings");
    refused(t, &["linux.uidMappings"]);
    t.spec = good.clone();
    t.spec["linux"]["gidMappings"] = map(0, 0);
    refused(t, &["linux.gidMappings"]);
    t.spec = good.clone();
    t.spec["linux"]["uidMappings"] =
        json!([{"containerID": 0, "hostID": BASE, "size": 10}, {"containerID": 5, "hostID": BASE + 20, "size": 10}]);
    refused(t, &["linux.uidMappings"]);
    t.spec = good.clone();
    t.without_namespace("user");
    refused(t, &["linux.uidMappings", "user"]);
});

// Joined namespaces.

const JOINED: [(&str, &str); 4] = [("network", "net"), ("ipc", "ipc"), ("uts", "uts"), ("user", "user")];

/// A container with a bundle of its own in the namespaces of `pid`.
#[track_caller]
fn join(t: &mut Test, pid: i32, kinds: &[(&str, &str)]) {
    t.spec.as_object_mut().unwrap().remove("hostname");
    for (kind, file) in kinds {
        t.without_namespace(kind);
        let path = format!("/proc/{pid}/ns/{file}");
        t.spec["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": kind, "path": path}));
    }
    if kinds.iter().any(|(kind, _)| *kind == "user") {
        // Engines leave the maps in.
        t.spec["linux"]["namespaces"].as_array_mut().unwrap().rotate_right(1);
    }
}

fn second(t: &Test) -> String {
    format!("{}-second", t.id)
}

/// What a pod is: the first container holds the namespaces, the second comes later and needs them.
#[track_caller]
fn pod(t: &mut Test, kinds: &[(&str, &str)]) {
    t.spec["hostname"] = json!("the-pod");
    t.running();
    let pid = t.pid();
    join(t, pid, kinds);
    let id = second(t);
    for (kind, file) in kinds {
        t.sh(&format!("readlink /proc/self/ns/{file}"));
        let first = fs::read_link(format!("/proc/{pid}/ns/{file}")).unwrap();
        assert_eq!(t.call(&["run", &id]).ok().trim(), first.to_str().unwrap(), "{kind}");
    }
    t.sh("id -u; hostname; echo x > /dev/null; test -w /dev/shm && echo writable");
    let hostname = if kinds.iter().any(|(kind, _)| *kind == "uts") { "the-pod" } else { "(none)" };
    let out = t.call(&["run", &id]).ok().to_string();
    assert!(out.starts_with("0\n") && out.ends_with("\nwritable\n") && (out.contains(hostname) || hostname == "(none)"), "{out}");
    // And it lives: create, start, exec, kill, delete.
    t.args(&["/bin/sleep", "1000000"]);
    t.call(&["create", &id]).ok();
    t.call(&["exec", &id, "/bin/true"]).ok();
    t.call(&["start", &id]).ok();
    assert_eq!(t.call(&["exec", &id, "/bin/sh", "-c", "id -u; cat /proc/self/oom_score_adj > /dev/null"]).ok(), "0\n");
    let missing = t.call(&["exec", &id, "/bin/nobody"]);
    assert_eq!(missing.code, 255, "{missing:?}");
    let state: Value = serde_json::from_str(t.call(&["state", &id]).ok()).unwrap();
    t.call(&["kill", &id, "KILL"]).ok();
    wait_until("the end of the second container", || t.call(&["state", &id]).stdout.contains("stopped"));
    // We are its parent. A pid namespace lives until the last of its processes has been waited for.
    let second = Pid::from_raw(i32::try_from(state["pid"].as_i64().unwrap()).unwrap());
    assert_eq!(waitpid(second, None), Ok(WaitStatus::Signaled(second, Signal::SIGKILL, false)));
    t.call(&["delete", &id]).ok();
    assert_eq!(t.status(), "running");
}

both!(a_pod_that_shares_network_ipc_and_names, |t: &mut Test| pod(t, &JOINED[..3]));

both!(a_pod_with_users_of_its_own, |t: &mut Test| {
    mapped(t);
    pod(t, &JOINED);
});

both!(a_pod_that_shares_processes, |t: &mut Test| {
    let kinds = [&JOINED[..3], &[("pid", "pid")]].concat();
    pod(t, &kinds);
});

both!(a_pod_with_users_of_its_own_that_shares_processes, |t: &mut Test| {
    mapped(t);
    let kinds = [&JOINED[..], &[("pid", "pid")]].concat();
    pod(t, &kinds);
});

both!(a_pod_that_shares_the_cgroup_namespace, |t: &mut Test| {
    mapped(t);
    t.without_namespace("cgroup").with_namespace("cgroup");
    let kinds = [&JOINED[..], &[("cgroup", "cgroup")]].concat();
    pod(t, &kinds);
});

both!(joined_time_and_mount_namespaces, |t: &mut Test| {
    skiff_only!(t, "runc 1.1 knows no time namespaces");
    t.with_namespace("time");
    t.spec["linux"]["timeOffsets"] = json!({"boottime": {"secs": 1_000_000}});
    t.running();
    let pid = t.pid();
    t.spec["linux"].as_object_mut().unwrap().remove("timeOffsets");
    join(t, pid, &[("time", "time")]);
    t.sh("readlink /proc/self/ns/time; cut -d . -f 1 /proc/uptime");
    let out = t.call(&["run", &second(t)]).ok().to_string();
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], fs::read_link(format!("/proc/{pid}/ns/time")).unwrap().to_str().unwrap());
    assert!(lines[1].parse::<u64>().unwrap() >= 1_000_000, "{out}");
});

both!(namespaces_that_cannot_be_joined, |t: &mut Test| {
    skiff_only!(t, "wording");
    let with = |t: &mut Test, path: &str| {
        t.without_namespace("network");
        t.spec["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "network", "path": path}));
    };
    with(t, "/nowhere/net");
    refused(t, &["linux.namespaces[", "/nowhere/net", "o such file or directory"]);
    with(t, "/proc/self/ns/uts");
    refused(t, &["linux.namespaces[", "/proc/self/ns/uts", "nvalid argument"]);
    with(t, "/etc/passwd");
    refused(t, &["linux.namespaces[", "/etc/passwd", "nvalid argument"]);
    with(t, "relative/net");
    refused(t, &["linux.namespaces[", "relative/net", "absolute"]);
});

both!(the_hosts_network, |t: &mut Test| {
    t.without_namespace("network");
    t.remount("/sys", "bind", "/sys", &["rbind", "nosuid", "noexec", "nodev", "ro"]);
    t.spec["mounts"].as_array_mut().unwrap().retain(|mount| mount["destination"] != "/sys/fs/cgroup");
    let own = fs::read_link("/proc/self/ns/net").unwrap();
    assert_eq!(t.run_sh("readlink /proc/self/ns/net").trim(), own.to_str().unwrap());
    mapped(t);
    assert_eq!(t.run_sh("readlink /proc/self/ns/net").trim(), own.to_str().unwrap());
});

// A time namespace.

both!(clocks_with_offsets, |t: &mut Test| {
    skiff_only!(t, "runc 1.1 knows no time namespaces");
    let uptime = || fs::read_to_string("/proc/uptime").unwrap().split('.').next().unwrap().parse::<i64>().unwrap();
    t.with_namespace("time");
    let seconds = |text: &str| text.trim().parse::<i64>().unwrap();
    assert!((seconds(&t.run_sh("cut -d . -f 1 /proc/uptime")) - uptime()).abs() < 60);
    t.spec["linux"]["timeOffsets"] = json!({"boottime": {"secs": 86400, "nanosecs": 5}, "monotonic": {"secs": 7200}});
    let before = uptime();
    let seen = seconds(&t.run_sh("cut -d . -f 1 /proc/uptime"));
    assert!((before + 86400..before + 86460).contains(&seen), "{seen} after {before}");
    let offsets = t.run_sh("tr -s ' ' < /proc/self/timens_offsets");
    assert_eq!(offsets, "monotonic 7200 0\nboottime 86400 5\n");
    t.running();
    let seen = t.call(&["exec", &t.id, "/bin/cut", "-d", ".", "-f", "1", "/proc/uptime"]).ok().to_string();
    assert!(seconds(&seen) >= before + 86400, "{seen}");
    mapped(t);
    t.call(&["delete", "--force", &t.id]).ok();
    let seen = seconds(&t.run_sh("cut -d . -f 1 /proc/uptime"));
    assert!(seen >= before + 86400, "with a user namespace: {seen}");
    // Ours are as they were.
    assert!(uptime() < before + 600);
});

both!(wrong_offsets, |t: &mut Test| {
    skiff_only!(t, "runc 1.1 knows no time namespaces");
    t.spec["linux"]["timeOffsets"] = json!({"boottime": {"secs": 1}});
    refused(t, &["linux.timeOffsets", "time"]);
    t.with_namespace("time");
    t.spec["linux"]["timeOffsets"] = json!({"realtime": {"secs": 1}});
    refused(t, &["linux.timeOffsets", "realtime"]);
    t.spec["linux"]["timeOffsets"] = json!({"boottime": {"secs": -1_000_000_000_000_i64}});
    refused(t, &["linux.timeOffsets"]);
});

// No pid namespace.

both!(all_processes_without_a_pid_namespace, |t: &mut Test| {
    skiff_only!(t, "runc leaves a cgroup now and then");
    t.without_namespace("pid");
    t.sh("sleep 1000000 & sleep 1000000 & (sleep 1000000 & exec setsid sleep 1000000) & echo ready; wait");
    let out = t.create();
    t.start();
    out.wait_for("ready");
    t.call(&["kill", "--all", &t.id, "KILL"]).ok();
    t.wait_status("stopped");
    t.call(&["delete", &t.id]).ok();
    t.assert_nothing_left();
    t.create();
    t.start();
    t.call(&["delete", "--force", &t.id]).ok();
    t.assert_nothing_left();
});

// Without privileges.

/// The test's container as `NOBODY` would have it: one id, no devpts group, nothing that needs a cgroup.
pub(crate) fn rootless(t: &mut Test, map: &Value) {
    t.with_namespace("user");
    t.spec["linux"]["uidMappings"] = map.clone();
    t.spec["linux"]["gidMappings"] = map.clone();
    t.spec["linux"].as_object_mut().unwrap().remove("resources");
    let mounts = t.spec["mounts"].as_array_mut().unwrap();
    mounts.retain(|mount| mount["destination"] != "/sys/fs/cgroup");
    for mount in mounts {
        if let Some(options) = mount["options"].as_array_mut() {
            options.retain(|option| option != "gid=5");
        }
    }
    chown_all(t.dir(), NOBODY);
}

pub(crate) fn one_id() -> Value {
    json!([{"containerID": 0, "hostID": NOBODY, "size": 1}])
}

/// The runtime where `NOBODY` can execute it, called by them. `around`: a program and its first arguments to do that.
pub(crate) fn command(t: &Test, around: &[&str], args: &[&str]) -> Command {
    let program = t.dir().join(crate::common::binary().file_name().unwrap());
    if !program.exists() {
        copy_program(&crate::common::binary(), &program);
    }
    let inner = t.command(args);
    let own: Vec<_> = inner.get_args().map(|arg| arg.to_os_string()).skip_while(|arg| *arg != "--root").collect();
    chown(t.bundle().join("config.json"), Some(NOBODY), Some(NOBODY)).unwrap();
    let mut command = t.mode.command(Path::new("setpriv"));
    command.args(["--reuid", &NOBODY.to_string(), "--regid", &NOBODY.to_string(), "--clear-groups", "--"]);
    command.args(around).arg(program).args(["--cgroup-manager", "disabled"]).args(own);
    command.env("XDG_RUNTIME_DIR", t.dir()).current_dir(t.bundle()).stdin(Stdio::null());
    command
}

#[track_caller]
fn as_nobody(t: &Test, args: &[&str]) -> Out {
    t.finish_command(command(t, &[], args))
}

both!(one_id_and_no_privileges, |t: &mut Test| {
    skiff_only!(t, "no --cgroup-manager");
    rootless(t, &one_id());
    t.sh("id -u; id -G; tr -s ' ' < /proc/self/uid_map; cat /proc/self/setgroups; stat -c %u /proc/self/ /dev/pts /dev/shm; hostname");
    let out = as_nobody(t, &["run", &t.id]);
    let lines: Vec<&str> = out.ok().lines().collect();
    assert_eq!(lines[0], "0");
    assert_eq!(lines[2..], [&format!(" 0 {NOBODY} 1"), "deny", "0", "0", "0", "runc"], "{out:?}");
    t.args(&["/bin/sh", "-c", "exit 7"]);
    as_nobody(t, &["run", &t.id]).exits(7);
    t.assert_nothing_left();
});

both!(a_life_without_privileges, |t: &mut Test| {
    skiff_only!(t, "no --cgroup-manager");
    rootless(t, &one_id());
    t.args(&["/bin/sleep", "1000000"]);
    let call = |args: &[&str]| as_nobody(t, args).ok().to_string();
    let pid_file = t.dir().join("pid");
    call(&["create", "--pid-file", pid_file.to_str().unwrap(), &t.id]);
    call(&["start", &t.id]);
    let state: Value = serde_json::from_str(&call(&["state", &t.id])).unwrap();
    assert_eq!((state["status"].as_str(), state["pid"].to_string()), (Some("running"), fs::read_to_string(pid_file).unwrap()));
    assert_eq!(
        call(&["exec", &t.id, "/bin/sh", "-c", "id -u; readlink /proc/self/ns/pid; readlink /proc/1/ns/pid"]).lines().next(),
        Some("0")
    );
    assert_eq!(call(&["exec", "-t", &t.id, "/bin/tty"]), "/dev/pts/0\n");
    as_nobody(t, &["exec", &t.id, "/bin/nobody"]).exits(255);
    as_nobody(t, &["exec", &t.id, "/bin/sh", "-c", "kill -9 $$"]).exits(137);
    assert!(call(&["list", "-q"]).contains(&t.id));
    call(&["kill", &t.id, "KILL"]);
    wait_until("the end", || call(&["state", &t.id]).contains("stopped"));
    call(&["delete", &t.id]);
    t.assert_nothing_left();
});

both!(a_terminal_without_privileges, |t: &mut Test| {
    skiff_only!(t, "no --cgroup-manager");
    rootless(t, &one_id());
    t.spec["process"]["terminal"] = json!(true);
    t.sh("tty; stat -c %u /dev/pts/0; echo x > /dev/tty");
    assert_eq!(as_nobody(t, &["run", &t.id]).ok(), "/dev/pts/0\n0\nx\n");
});

both!(seccomp_and_hooks_without_privileges, |t: &mut Test| {
    skiff_only!(t, "no --cgroup-manager");
    rootless(t, &one_id());
    t.spec["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["sethostname"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5}]});
    let log = t.dir().join("log");
    let script = format!("id -u >> {}", log.display());
    t.spec["hooks"] = json!({"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", script]}]});
    for no_new_privileges in [true, false] {
        t.spec["process"]["noNewPrivileges"] = json!(no_new_privileges);
        assert_eq!(
            {
                t.sh("grep Seccomp: /proc/self/status");
                as_nobody(t, &["run", &t.id]).ok().to_string()
            },
            "Seccomp:\t2\n"
        );
    }
    assert_eq!(fs::read_to_string(log).unwrap(), format!("{NOBODY}\n{NOBODY}\n"));
});

both!(more_ids_than_one_may_map_oneself, |t: &mut Test| {
    skiff_only!(t, "wording");
    let map = json!([{"containerID": 0, "hostID": NOBODY, "size": 1}, {"containerID": 1, "hostID": 0, "size": 1}]);
    rootless(t, &map);
    let out = as_nobody(t, &["run", &t.id]);
    assert!(out.code == 1 && out.stderr.contains("linux.uidMappings") && out.stderr.lines().count() == 1, "{out:?}");
    t.assert_nothing_left();
});

// With `/etc/passwd`, `/etc/subuid` and `/etc/subgid` of our own, which the host does not see.
both!(ids_from_newuidmap, |t: &mut Test| {
    skiff_only!(t, "no --cgroup-manager");
    if !Path::new("/usr/bin/newuidmap").exists() {
        skip!(t, "no newuidmap (package uidmap)");
    }
    let map = json!([{"containerID": 0, "hostID": NOBODY, "size": 1}, {"containerID": 1, "hostID": 200_000, "size": 65536}]);
    rootless(t, &map);
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let etc = t.dir().join("etc");
    fs::create_dir(&etc).unwrap();
    fs::write(etc.join("passwd"), format!("{passwd}skiff-test:x:{NOBODY}:{NOBODY}::/:/bin/sh\n")).unwrap();
    for file in ["subuid", "subgid"] {
        fs::write(etc.join(file), "skiff-test:200000:65536\n").unwrap();
    }
    let mounts =
        ["passwd", "subuid", "subgid"].map(|file| format!("mount --bind {0}/{file} /etc/{file}", etc.display())).join(" && ");
    let call = |t: &Test, args: &[&str]| {
        let inner = command(t, &[], args);
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", &format!("{mounts} && exec \"$@\""), "sh"]);
        command.arg(inner.get_program()).args(inner.get_args());
        command.env("XDG_RUNTIME_DIR", t.dir()).current_dir(t.bundle()).stdin(Stdio::null());
        t.finish_command(command)
    };
    for file in ["subuid", "subgid"] {
        fs::set_permissions(etc.join(file), fs::Permissions::from_mode(0o644)).unwrap();
    }
    t.sh("id -u; tr -s ' ' < /proc/self/uid_map; cat /proc/self/setgroups");
    assert_eq!(call(t, &["run", &t.id]).ok(), format!("0\n 0 {NOBODY} 1\n 1 200000 65536\nallow\n"));
    t.spec["process"]["user"] = json!({"uid": 1000, "gid": 1000, "additionalGids": [7]});
    assert_eq!(
        {
            t.sh("id -u; id -G");
            call(t, &["run", &t.id]).ok().to_string()
        },
        "1000\n1000 7\n"
    );
    t.args(&["/bin/sleep", "1000000"]);
    call(t, &["create", &t.id]).ok();
    call(t, &["start", &t.id]).ok();
    assert_eq!(call(t, &["exec", "--user", "33:33", &t.id, "/bin/id", "-u"]).ok(), "33\n");
    call(t, &["delete", "--force", &t.id]).ok();
    // What the file does not allow.
    t.spec["linux"]["uidMappings"][1]["hostID"] = json!(300_000);
    let out = call(t, &["run", &t.id]);
    assert!(out.code == 1 && out.stderr.contains("linux.uidMappings: newuidmap"), "{out:?}");
    t.assert_nothing_left();
});

// As rootless podman does: the runtime is root in a user namespace that is there already.
both!(inside_a_user_namespace, |t: &mut Test| {
    skiff_only!(t, "no --cgroup-manager");
    rootless(t, &one_id());
    t.without_namespace("user");
    t.spec["linux"].as_object_mut().unwrap().remove("uidMappings");
    t.spec["linux"].as_object_mut().unwrap().remove("gidMappings");
    let call = |t: &Test, args: &[&str]| t.finish_command(command(t, &["unshare", "--user", "--map-root-user", "--mount"], args));
    t.sh("id -u; tr -s ' ' < /proc/self/uid_map; stat -c %u /proc/self/; hostname");
    assert_eq!(call(t, &["run", &t.id]).ok(), format!("0\n 0 {NOBODY} 1\n0\nrunc\n"));
    t.args(&["/bin/sh", "-c", "exit 7"]);
    call(t, &["run", &t.id]).exits(7);
    t.assert_nothing_left();
});

/// The same with a cgroup, as far as that can be had.
fn with_cgroup(t: &Test) -> Out {
    let disabled = command(t, &[], &["run", &t.id]);
    let args = disabled.get_args().filter(|arg| *arg != "--cgroup-manager" && *arg != "disabled");
    let mut plain = Command::new(disabled.get_program());
    plain.args(args).current_dir(t.bundle()).stdin(Stdio::null());
    t.finish_command(plain)
}

host_only!(a_cgroup_that_cannot_be_had, |t: &mut Test| {
    skiff_only!(t, "wording");
    rootless(t, &one_id());
    with_cgroup(t).ok();
    t.spec["linux"]["resources"] = json!({"pids": {"limit": -1}});
    with_cgroup(t).ok();
    t.spec["linux"]["resources"] = json!({"pids": {"limit": 10}});
    with_cgroup(t).fails_with(&["linux.resources.pids.limit: ", "delegated", "permission denied"]);
    t.assert_nothing_left();
    // Asked to do without cgroups, it cannot hold a limit either, and says so.
    as_nobody(t, &["run", &t.id]).fails_with(&["linux.resources.pids.limit: 10: cgroups are disabled"]);
    // A cgroup that is asked for by name is no more left out than a limit.
    t.spec["linux"].as_object_mut().unwrap().remove("resources");
    t.spec["linux"]["cgroupsPath"] = json!(format!("/{}", t.id));
    with_cgroup(t).fails_with(&["linux.cgroupsPath: ", "delegated", "permission denied"]);
    t.assert_nothing_left();
});
