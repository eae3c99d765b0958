//! `exec` and what surrounds it: the freezer, cgroups, what it leaves behind, and what the container can see of it.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::common::{Test, is_skiff, wait_until};
use crate::exec::{exec, inside, nothing_but_sleep, processes, refused};

/// Writes to a cgroup file, in the mode's own mount namespace.
#[track_caller]
fn write_cgroup(t: &Test, path: &Path, text: &str) {
    let mut command = t.mode.command(Path::new("sh"));
    let script = format!("mkdir -p \"${{1%/*}}\" && echo '{text}' > \"$1\"");
    let out = command.args(["-c", &script, "sh"]).arg(path).output().unwrap();
    assert!(out.status.success(), "{}: {out:?}", path.display());
}

/// The container's directory in the hierarchy of `controller` (version 1), or the only one, as the mode mounts it.
#[track_caller]
fn cgroup(t: &Test, controller: &str) -> PathBuf {
    let text = fs::read_to_string(format!("/proc/{}/cgroup", t.pid())).unwrap();
    let fields = || text.lines().map(|line| line.splitn(3, ':').collect::<Vec<_>>());
    let found = match t.mode.is_v2() {
        true => fields().find(|fields| fields[1].is_empty()).map(|fields| (String::new(), fields[2])),
        false => fields().find(|fields| fields[1] == controller).map(|fields| (controller.to_string(), fields[2])),
    };
    let (hierarchy, path) = found.unwrap_or_else(|| panic!("no {controller} in {text}"));
    Path::new("/sys/fs/cgroup").join(hierarchy).join(path.trim_start_matches('/'))
}

#[track_caller]
fn freeze(t: &Test, frozen: bool) {
    match (t.mode.is_v2(), frozen) {
        (true, _) => write_cgroup(t, &cgroup(t, "").join("cgroup.freeze"), if frozen { "1" } else { "0" }),
        (false, true) => write_cgroup(t, &cgroup(t, "freezer").join("freezer.state"), "FROZEN"),
        (false, false) => write_cgroup(t, &cgroup(t, "freezer").join("freezer.state"), "THAWED"),
    }
}

both!(a_frozen_container_is_refused_at_once, |t: &mut Test| {
    t.running();
    freeze(t, true);
    let out = exec(t, &[], &["/bin/echo", "hello"]);
    assert!(out.code == 255 && out.stderr.contains("paused") && out.stdout.is_empty(), "{out:#?}");
    freeze(t, false);
    assert_eq!(exec(t, &[], &["/bin/echo", "hello"]).ok(), "hello\n");
});

both!(a_frozen_container_all_the_same, |t: &mut Test| {
    t.running();
    freeze(t, true);
    let running = t.spawn(t.command(&["exec", "--ignore-paused", &t.id, "/bin/echo", "hello"]));
    wait_until("a process that stands still", || t.call(&["ps", "-f", "json", &t.id]).stdout.matches(',').count() == 1);
    freeze(t, false);
    assert_eq!(running.wait().ok(), "hello\n");
});

both!(a_created_container_that_is_frozen, |t: &mut Test| {
    t.args(&["/bin/sleep", "1000000"]);
    t.create();
    freeze(t, true);
    let out = exec(t, &[], &["/bin/true"]);
    assert!(out.code == 255, "{out:?}");
    freeze(t, false);
});

// The cgroup.

both!(a_cgroup_below_the_containers, |t: &mut Test| {
    t.running();
    let (controller, sub) = ("memory", cgroup(t, "memory").join("sub"));
    let mut command = t.mode.command(Path::new("mkdir"));
    assert!(command.arg(&sub).status().unwrap().success());
    let option = if t.mode.is_v2() { "sub".to_string() } else { format!("{controller}:sub") };
    let hostile = ["..", "/..", "sub/../..", "/sub/../../..", "./.."];
    for path in hostile {
        let option = if t.mode.is_v2() { path.to_string() } else { format!("{controller}:{path}") };
        refused(t, &["--cgroup", &option], &["/bin/true"], &["--cgroup"]);
    }
    refused(t, &["--cgroup", &option.replace("sub", "missing")], &["/bin/true"], &["--cgroup"]);
    let mut running =
        t.spawn(t.command(&["exec", "--cgroup", &option, &t.id, "/bin/sh", "-c", "echo ready; exec sleep 1000000"]));
    running.wait_for("ready");
    let mut read = t.mode.command(Path::new("cat"));
    let pids = String::from_utf8(read.arg(sub.join("cgroup.procs")).output().unwrap().stdout).unwrap();
    assert_eq!(pids.lines().count(), 1, "{pids}");
    kill(Pid::from_raw(pids.trim().parse().unwrap()), Signal::SIGKILL).unwrap();
    running.wait().exits(137);
    if is_skiff() && !t.mode.is_v2() {
        refused(t, &["--cgroup", "nosuch:sub"], &["/bin/true"], &["--cgroup", "nosuch"]);
    }
});

// systemd as process 1 does this: the container's own cgroup may hold no process then.
host_only!(a_container_that_has_moved_into_a_cgroup_of_its_own, |t: &mut Test| {
    t.mode = crate::common::Mode::V2;
    if let Some(why) = t.mode.missing() {
        skip!(t, "{why}");
    }
    let Some(domain) = t.mode.v2_controllers().into_iter().find(|name| ["memory", "io", "hugetlb"].contains(&name.as_str()))
    else {
        skip!(t, "the version 2 hierarchy has no domain controller here");
    };
    if domain == "hugetlb" {
        // So that the runtime enables it above.
        t.spec["linux"]["resources"]["hugepageLimits"] = json!([]);
    }
    t.running();
    let (own, init) = (cgroup(t, ""), t.pid());
    write_cgroup(t, &own.join("init/cgroup.procs"), &init.to_string());
    write_cgroup(t, &own.join("cgroup.subtree_control"), &format!("+{domain}"));
    let seen = inside(t, &[], "cat /proc/self/cgroup /proc/1/cgroup");
    let lines: Vec<&str> = seen.lines().filter(|line| line.starts_with("0::")).collect();
    assert_eq!(lines[0], lines[1], "{seen}");
});

// Nothing is left.

both!(hundreds_leave_nothing, |t: &mut Test| {
    t.running();
    let init = t.pid();
    let state = || fs::read_dir(t.root().join(&t.id)).unwrap().count();
    let descriptors = || fs::read_dir(format!("/proc/{init}/fd")).unwrap().count();
    let before = (state(), descriptors(), t.cgroups(), fs::read_to_string("/proc/self/mountinfo").unwrap().lines().count());
    for number in 0..150 {
        match number % 5 {
            0 => exec(t, &[], &["/bin/true"]).ok().to_string(),
            1 => exec(t, &["--detach"], &["/bin/true"]).ok().to_string(),
            2 => exec(t, &[], &["/bin/false"]).exits(1).stdout.clone(),
            3 => exec(t, &["--user", "1000:1000"], &["/bin/true"]).ok().to_string(),
            _ => exec(t, &[], &["/bin/nobody"]).exits(255).stdout.clone(),
        };
        t.reap();
    }
    reap_all(t);
    nothing_but_sleep(t);
    assert_eq!((state(), descriptors(), t.cgroups()), (before.0, before.1, before.2));
});

/// The detached ones come to us.
fn reap_all(t: &Test) {
    wait_until("the detached ones", || {
        for pid in processes(t.pid()) {
            let _ = nix::sys::wait::waitpid(Pid::from_raw(pid.parse().unwrap()), Some(nix::sys::wait::WaitPidFlag::WNOHANG));
        }
        processes(t.pid()).is_empty()
    });
}

both!(many_at_once, |t: &mut Test| {
    skiff_only!(t, "some of runc's fail then");
    t.running();
    let start = |number: u32| t.spawn(t.command(&["exec", &t.id, "/bin/sh", "-c", &format!("echo {number}; exit {number}")]));
    let all: Vec<_> = (1..=16).map(|number| (number, start(number))).collect();
    for (number, running) in all {
        let out = running.wait();
        assert_eq!((out.code, out.stdout.trim()), (i32::try_from(number).unwrap(), number.to_string().as_str()), "{out:?}");
    }
    nothing_but_sleep(t);
});

both!(no_zombie_stays, |t: &mut Test| {
    t.running();
    let before = processes(t.pid()).len();
    exec(t, &[], &["/bin/sh", "-c", "sleep 0.01 & exit 0"]).ok();
    exec(t, &[], &["/bin/true"]).ok();
    // The shell's orphan went to process 1, which is no init and reaps nobody: it is the container's business.
    let left = processes(t.pid());
    let names: Vec<String> = left.iter().map(|pid| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default()).collect();
    assert!(names.len() <= before + 1 && names.iter().all(|name| name.trim() == "sleep"), "{names:?}");
});

/// A shell that looks at every other process of its pid namespace for ever, and tells which directories and roots of the
/// host it can reach through them. `marker`: a file of the host.
fn spy(marker: &Path) -> String {
    let look = "for fd in $p/fd/*; do case $fd in */0|*/1|*/2) continue;; esac; test -d $fd/ && t=$(readlink $fd) && \
                case $t in /proc*|/|/etc/*|/dev*) ;; *) echo \"$fd $t\";; esac; done";
    // What init itself opens in the container looks like that, too.
    let marker = marker.display();
    let root = format!(
        "test -e $p/root{marker} && echo \"root of $p\"; for fd in $p/fd/*; do test -e $fd{marker} && echo \"root at $fd\"; done"
    );
    format!(
        "#!/bin/sh\nwhile true; do for p in /proc/[0-9]*; do case $p in /proc/1|/proc/$$) continue;; esac\n\
         {root}; {look}; done; done 2>/dev/null\n"
    )
}

#[track_caller]
fn nothing_of_the_host_is_seen(t: &mut Test) {
    let marker = t.dir().join("marker");
    fs::write(&marker, "").unwrap();
    t.file("/bin/spy", &spy(&marker), 0o755);
    t.args(&["/bin/spy"]);
    let out = t.create();
    t.start();
    for _ in 0..40 {
        exec(t, &[], &["/bin/true"]).ok();
    }
    let seen = out.stdout_now();
    assert!(seen.is_empty(), "{} times, for example {:?}", seen.lines().count(), seen.lines().take(8).collect::<Vec<_>>());
}

// CVE-2016-9962: whoever is in the container must not reach into the runtime's process on its way.
both!(a_process_inside_finds_no_descriptor_of_the_host, nothing_of_the_host_is_seen);

// Debuggers in containers have it. It does not make a container privileged: a pid namespace bounds what it reaches.
both!(nor_does_one_that_may_trace_others, |t: &mut Test| {
    t.capabilities(&["CAP_SYS_PTRACE"]);
    nothing_of_the_host_is_seen(t);
});

// CVE-2019-5736: a container that gets the runtime to execute itself, and writes to it meanwhile.
both!(our_own_binary_is_out_of_reach, |t: &mut Test| {
    t.file("/bin/trap", "#!/proc/self/exe\n", 0o755);
    t.running();
    let before = fs::metadata(crate::common::binary()).unwrap();
    let _ = exec(t, &[], &["/bin/trap"]);
    let after = fs::metadata(crate::common::binary()).unwrap();
    assert_eq!((before.len(), before.modified().unwrap()), (after.len(), after.modified().unwrap()));
    let seen = inside(t, &[], "grep -c -v -e busybox -e '\\[' -e rw-p -e r--p /proc/self/maps; readlink /proc/self/exe");
    assert!(seen.ends_with("/bin/busybox\n") || seen.ends_with("/bin/sh\n") || seen.ends_with("/bin/readlink\n"), "{seen}");
});
