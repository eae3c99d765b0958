//! Where the container is accounted, and its limits, read back from outside.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use serde_json::json;

use crate::common::{Mode, Test, wait_until};

/// The container's directory in the version 1 hierarchy of `controller`.
fn v1_dir(t: &Test, controller: &str) -> Option<PathBuf> {
    let dirs = t.cgroups();
    dirs.into_iter().find(|dir| {
        let hierarchy = dir.iter().nth(4).map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        hierarchy.split(',').any(|name| name == controller)
    })
}

#[track_caller]
fn assert_v1(t: &Test, controller: &str, file: &str, value: &str) {
    let dir = v1_dir(t, controller).unwrap_or_else(|| panic!("no cgroup of {controller}"));
    assert_eq!(fs::read_to_string(dir.join(file)).unwrap().trim(), value, "{file}");
}

#[track_caller]
fn assert_v2(t: &Test, file: &str, value: &str) {
    let dir = t.cgroups().into_iter().find(|dir| dir.join("cgroup.events").exists()).expect("no cgroup");
    assert_eq!(fs::read_to_string(dir.join(file)).unwrap().trim(), value, "{file}");
}

both!(memory, |t: &mut Test| {
    if let Some(reason) = t.mode.missing_controller("memory") {
        skip!(t, "{reason}");
    }
    t.spec["linux"]["resources"]["memory"] = json!({"limit": 67_108_864, "reservation": 33_554_432});
    t.running();
    if t.mode.is_v2() {
        assert_v2(t, "memory.max", "67108864");
        assert_v2(t, "memory.low", "33554432");
    } else {
        assert_v1(t, "memory", "memory.limit_in_bytes", "67108864");
        assert_v1(t, "memory", "memory.soft_limit_in_bytes", "33554432");
    }
});

both!(memory_and_swap, |t: &mut Test| {
    if let Some(reason) = t.mode.missing_controller("memory") {
        skip!(t, "{reason}");
    }
    let swap = v1_swap_accounting() || t.mode.is_v2();
    if !swap {
        skip!(t, "no swap accounting");
    }
    t.spec["linux"]["resources"]["memory"] = json!({"limit": 67_108_864, "swap": 100_663_296});
    t.running();
    if t.mode.is_v2() {
        assert_v2(t, "memory.swap.max", "33554432");
    } else {
        assert_v1(t, "memory", "memory.memsw.limit_in_bytes", "100663296");
    }
});

fn v1_swap_accounting() -> bool {
    Path::new("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes").exists()
}

both!(processes, |t: &mut Test| {
    if let Some(reason) = t.mode.missing_controller("pids") {
        skip!(t, "{reason}");
    }
    t.spec["linux"]["resources"]["pids"] = json!({"limit": 7});
    t.running();
    if t.mode.is_v2() {
        assert_v2(t, "pids.max", "7");
    } else {
        assert_v1(t, "pids", "pids.max", "7");
    }
});

both!(the_limit_of_processes_holds, |t: &mut Test| {
    if let Some(reason) = t.mode.missing_controller("pids") {
        skip!(t, "{reason}");
    }
    t.spec["linux"]["resources"]["pids"] = json!({"limit": 3});
    t.sh("for i in 1 2 3 4 5 6; do sleep 1000000 & done; echo unreachable");
    let out = t.run();
    assert!(out.code != 0 && !out.stdout.contains("unreachable"), "{out:?}");
    t.assert_nothing_left();
});

both!(cpu, |t: &mut Test| {
    if let Some(reason) = t.mode.missing_controller("cpu") {
        skip!(t, "{reason}");
    }
    t.spec["linux"]["resources"]["cpu"] = json!({"shares": 512, "quota": 20_000, "period": 50_000});
    t.running();
    if t.mode.is_v2() {
        assert_v2(t, "cpu.max", "20000 50000");
    } else {
        assert_v1(t, "cpu", "cpu.shares", "512");
        assert_v1(t, "cpu", "cpu.cfs_quota_us", "20000");
        assert_v1(t, "cpu", "cpu.cfs_period_us", "50000");
    }
});

both!(cpuset, |t: &mut Test| {
    if let Some(reason) = t.mode.missing_controller("cpuset") {
        skip!(t, "{reason}");
    }
    t.spec["linux"]["resources"]["cpu"] = json!({"cpus": "0", "mems": "0"});
    t.running();
    if t.mode.is_v2() {
        assert_v2(t, "cpuset.cpus", "0");
    } else {
        assert_v1(t, "cpuset", "cpuset.cpus", "0");
    }
});

both!(a_caller_bound_to_one_processor_binds_no_container, |t: &mut Test| {
    skiff_only!(t, "runc does so since 1.2");
    // The thread is bound, and its children with it.
    let bound = std::thread::scope(|scope| {
        let bound = scope.spawn(|| {
            let every = bind(|_| true);
            let one = bind(|processor| every.first() == Some(&processor));
            t.running();
            let out = t.call(&["exec", &t.id, "/bin/cat", "/proc/self/status"]);
            (every, one, out.ok().to_owned())
        });
        bound.join().unwrap()
    });
    let (every, one, exec) = bound;
    if every == one {
        skip!(t, "one processor");
    }
    assert_eq!(processors(t.pid()), every);
    let listed = |status: &str| status.lines().find(|line| line.starts_with("Cpus_allowed:")).map(str::to_owned);
    let init = fs::read_to_string(format!("/proc/{}/status", t.pid())).unwrap();
    assert_eq!(listed(&exec), listed(&init));
});

/// Binds this thread to the processors that `wanted` picks of those that its cgroup allows, and says which they are.
fn bind(wanted: impl Fn(usize) -> bool) -> Vec<usize> {
    let mut set = CpuSet::new();
    (0..CpuSet::count()).filter(|processor| wanted(*processor)).for_each(|processor| set.set(processor).unwrap());
    let me = nix::unistd::gettid();
    sched_setaffinity(me, &set).unwrap();
    processors(me.as_raw())
}

fn processors(pid: i32) -> Vec<usize> {
    let set = sched_getaffinity(Pid::from_raw(pid)).unwrap();
    (0..CpuSet::count()).filter(|processor| set.is_set(*processor).unwrap()).collect()
}

both!(a_process_that_takes_too_much_memory_is_killed, |t: &mut Test| {
    if let Some(reason) = t.mode.missing_controller("memory") {
        skip!(t, "{reason}");
    }
    t.spec["linux"]["resources"]["memory"] = json!({"limit": 16_777_216, "swap": 16_777_216});
    t.sh("exec dd if=/dev/zero of=/dev/null bs=64M count=1");
    t.run().exits(137);
    t.assert_nothing_left();
});

both!(the_container_is_in_every_hierarchy, |t: &mut Test| {
    t.running();
    let pid = t.pid();
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    for line in text.lines().filter(|line| !t.mode.is_v2() || line.starts_with("0::")) {
        assert!(line.contains(&t.id), "{line}");
    }
});

both!(an_absolute_path_is_below_the_mount_point, |t: &mut Test| {
    t.spec["linux"]["cgroupsPath"] = json!(format!("/{}/inner", t.id));
    t.running();
    let text = fs::read_to_string(format!("/proc/{}/cgroup", t.pid())).unwrap();
    let wanted = format!(":/{}/inner", t.id);
    for line in text.lines().filter(|line| !t.mode.is_v2() || line.starts_with("0::")) {
        assert!(line.ends_with(&wanted), "{line}");
    }
    t.call(&["delete", "--force", &t.id]).ok();
    // Only the container's own directory goes; its parents are not ours to remove.
    assert!(t.cgroups().iter().all(|dir| !dir.ends_with("inner")), "{:?}", t.cgroups());
    t.remove_cgroups();
});

both!(a_cgroup_of_a_stopped_container_is_not_free, |t: &mut Test| {
    skiff_only!(t, "runc lets both share it");
    t.spec["linux"]["cgroupsPath"] = json!(format!("/{}", t.id));
    t.args(&["/bin/true"]);
    t.create();
    t.start();
    t.wait_status("stopped");
    let before = t.cgroups();
    assert!(!before.is_empty());
    let other = format!("{}-other", t.id);
    t.call(&["create", &other]).fails_with(&["linux.cgroupsPath", &format!("belongs to container {}", t.id)]);
    assert_eq!(t.cgroups(), before);
    t.call(&["state", &other]).fails_with(&["container does not exist"]);
    t.call(&["delete", &t.id]).ok();
    t.assert_nothing_left();
});

both!(a_path_cannot_leave_the_hierarchy, |t: &mut Test| {
    t.spec["linux"]["cgroupsPath"] = json!(format!("/../../../../tmp/{0}/cg/../../../{0}", t.id));
    let _ = t.run();
    assert!(!Path::new("/tmp").join(&t.id).join("cg").exists());
    t.call(&["delete", "--force", &t.id]).exits(0);
    t.remove_cgroups();
});

both!(disabled, |t: &mut Test| {
    skiff_only!(t, "crun's option");
    t.running_with(&["--cgroup-manager=disabled"]);
    assert!(t.cgroups().is_empty(), "{:?}", t.cgroups());
    let own = fs::read_to_string("/proc/self/cgroup").unwrap();
    assert_eq!(fs::read_to_string(format!("/proc/{}/cgroup", t.pid())).unwrap(), own);
    t.call(&["delete", "--force", &t.id]).ok();
    t.assert_nothing_left();
});

both!(disabled_as_two_words, |t: &mut Test| {
    skiff_only!(t, "crun's option");
    t.running_with(&["--cgroup-manager", "disabled"]);
    t.kill("KILL");
    t.wait_status("stopped");
    t.call(&["delete", &t.id]).ok();
    t.assert_nothing_left();
});

both!(an_empty_block_io_asks_for_nothing, |t: &mut Test| {
    t.spec["linux"]["resources"]["blockIO"] = json!({});
    t.run().ok();
});

both!(empty_limits_ask_for_nothing, |t: &mut Test| {
    t.spec["linux"]["resources"]["memory"] = json!({});
    t.spec["linux"]["resources"]["cpu"] = json!({});
    t.run().ok();
});

both!(a_limit_on_an_absent_controller_is_refused, |t: &mut Test| {
    let (Some(_), true) = (t.mode.missing_controller("memory"), t.mode == Mode::V2) else {
        skip!(t, "the memory controller is there");
    };
    t.spec["linux"]["resources"]["memory"] = json!({"limit": 67_108_864});
    let out = t.run();
    assert!(out.code == 1 && out.stderr.contains("memory"), "{out:?}");
    t.assert_nothing_left();
});

both!(a_frozen_container_is_paused_and_can_be_deleted, |t: &mut Test| {
    t.running();
    let dirs = t.cgroups();
    let freezer = dirs.iter().find_map(|dir| {
        let v2 = (dir.join("cgroup.freeze"), "1");
        let v1 = (dir.join("freezer.state"), "FROZEN");
        let (file, value) = if t.mode.is_v2() { v2 } else { v1 };
        file.exists().then_some((file, value))
    });
    let (file, value) = freezer.expect("a freezer");
    fs::write(&file, value).unwrap();
    wait_until("paused", || t.status() == "paused");
    t.call(&["delete", "--force", &t.id]).ok();
    t.assert_nothing_left();
});
