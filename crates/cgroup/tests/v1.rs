//! The hierarchies of version 1 (with the unified one of a hybrid host) on a real kernel, as root, below directories
//! of our own.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;
use common::*;
use skiff_cgroup::{Cgroup, Error};
use skiff_plan::{CgroupPlan, DeviceKind};

#[test]
fn create_place_kill_remove() {
    let Some(place) = Place::v1("life") else { return };
    let cgroup = place.create("pod/c", vec![]);
    assert!(cgroup.dir_fd().is_none());
    let mut shell = Shell::waiting();
    cgroup.place(shell.pid()).unwrap();
    assert_eq!(cgroup.pids().unwrap(), [shell.pid()]);
    let joined = std::fs::read_to_string(format!("/proc/{}/cgroup", shell.pid())).unwrap();
    let own = format!("/{}/pod/c", place.name.display());
    let outside: Vec<&str> = joined.lines().filter(|line| !line.ends_with(&own)).collect();
    assert_eq!(outside, Vec::<&str>::new());

    let again = Cgroup::open(&cgroup.record());
    again.kill().unwrap();
    assert_eq!(shell.signal(), Some(libc::SIGKILL));
    again.remove().unwrap();
    for (_, dir) in again.record().dirs {
        assert!(!dir.exists());
        assert!(dir.parent().unwrap().exists(), "only the container's own directory goes");
    }
}

#[test]
fn nested_cgroups_are_listed_killed_and_removed() {
    let Some(place) = Place::v1("nested") else { return };
    let cgroup = place.create("c", vec![]);
    let mut shell = Shell::waiting();
    let inner = place.dir("freezer").join("c/a");
    std::fs::create_dir(&inner).unwrap();
    std::fs::write(inner.join("cgroup.procs"), shell.pid().to_string()).unwrap();
    assert_eq!(cgroup.pids().unwrap(), [shell.pid()]);
    cgroup.kill().unwrap();
    assert_eq!(shell.signal(), Some(libc::SIGKILL));
    cgroup.remove().unwrap();
    assert!(!inner.exists());
}

#[test]
fn a_frozen_cgroup_is_refused() {
    let Some(place) = Place::v1("cold") else { return };
    let cgroup = place.create("pod/c", vec![]);
    cgroup.freeze().unwrap();
    assert!(matches!(Cgroup::create(&place.plan("pod/c", vec![])), Err(Error::Frozen(_))));
    cgroup.resume().unwrap();
    cgroup.remove().unwrap();

    let pod = place.dir("freezer").join("pod/freezer.state");
    std::fs::write(&pod, "FROZEN").unwrap();
    assert!(matches!(Cgroup::create(&place.plan("pod/c", vec![])), Err(Error::Frozen(_))));
    assert!(cgroup.record().dirs.iter().all(|(_, dir)| !dir.exists()), "what was made is removed again");
    std::fs::write(&pod, "THAWED").unwrap();
}

#[test]
fn what_the_container_has_frozen_itself_dies() {
    let Some(place) = Place::v1("coldinside") else { return };
    let cgroup = place.create("c", vec![]);
    let (mut shell, mut inner) = (Shell::waiting(), Shell::waiting());
    cgroup.place(shell.pid()).unwrap();
    let cold = place.dir("freezer").join("c/a/b");
    std::fs::create_dir_all(&cold).unwrap();
    std::fs::write(cold.join("cgroup.procs"), inner.pid().to_string()).unwrap();
    std::fs::write(cold.join("freezer.state"), "FROZEN").unwrap();
    cgroup.signal_all(libc::SIGTERM).unwrap();
    assert_eq!(shell.signal(), Some(libc::SIGTERM));
    assert_eq!(read(&cold, "freezer.state"), "FROZEN", "only an end thaws it");
    cgroup.kill().unwrap();
    assert_eq!(inner.signal(), Some(libc::SIGKILL));
    cgroup.remove().unwrap();
}

#[test]
fn devices_are_filtered() {
    let Some(place) = Place::v1("devices") else { return };
    let plan = CgroupPlan { devices: Some(null_and_zero()), ..place.plan("c", vec![]) };
    let cgroup = Cgroup::create(&plan).unwrap();
    assert_eq!(read(&place.dir("devices").join("c"), "devices.list"), "c 1:3 rwm\nc 1:5 rwm");
    let mut shell = Shell::start(DEVICE_SCRIPT);
    cgroup.place(shell.pid()).unwrap();
    assert_eq!(shell.finish(), 0);

    let plan = CgroupPlan { devices: Some(vec![device(true, DeviceKind::All, None, None)]), ..plan };
    let cgroup = Cgroup::create(&plan).unwrap();
    let mut shell = Shell::start(DEVICE_SCRIPT);
    cgroup.place(shell.pid()).unwrap();
    assert_eq!(shell.finish(), 2);
}

#[test]
fn a_rule_that_version_1_cannot_hold_leaves_nothing() {
    let Some(place) = Place::v1("hole") else { return };
    let rules = vec![device(true, DeviceKind::Char, Some(1), None), device(false, DeviceKind::Char, Some(1), Some(3))];
    let error = Cgroup::create(&CgroupPlan { devices: Some(rules), ..place.plan("pod/c", vec![]) }).unwrap_err();
    assert!(matches!(error, Error::DeviceRule { .. }), "{error}");
    assert!(!place.dir("devices").exists() && !place.dir("memory").exists());
}

#[test]
fn a_refused_value_leaves_nothing() {
    let Some(place) = Place::v1("refused") else { return };
    let text = Cgroup::create(&place.plan("pod/c", vec![write("pids", "pids.max", "many")])).unwrap_err().to_string();
    let dir = place.dir("pids");
    assert_eq!(text, format!("write pids.max in {}/pod/c: linux.resources.test = many: invalid argument", dir.display()));
    assert!(!dir.exists() && !place.dir("memory").exists());
}

#[test]
fn an_update_is_whole_or_nothing() {
    let Some(place) = Place::v1("update") else { return };
    let cgroup = place.create("c", vec![write("pids", "pids.max", "9")]);
    let (pids, shares) = (place.dir("pids").join("c"), place.dir("cpu").join("c"));
    let values = |shares: &str| vec![write("pids", "pids.max", "5"), write("cpu", "cpu.shares", shares)];
    let text = cgroup.update(&update(values("many"), None)).unwrap_err().to_string();
    assert!(text.contains("linux.resources.test = many: invalid argument"), "{text}");
    assert_eq!((read(&pids, "pids.max").as_str(), read(&shares, "cpu.shares").as_str()), ("9", "1024"));
    cgroup.update(&update(values("512"), None)).unwrap();
    assert_eq!((read(&pids, "pids.max").as_str(), read(&shares, "cpu.shares").as_str()), ("5", "512"));
}

#[test]
fn an_update_changes_the_device_rules() {
    let Some(place) = Place::v1("newdevices") else { return };
    let plan = CgroupPlan { devices: Some(null_and_zero()), ..place.plan("c", vec![]) };
    let cgroup = Cgroup::create(&plan).unwrap();
    let rules = vec![device(true, DeviceKind::Char, Some(1), Some(3)), device(true, DeviceKind::Char, Some(5), None)];
    cgroup.update(&update(vec![], Some(rules))).unwrap();
    assert_eq!(read(&place.dir("devices").join("c"), "devices.list"), "c 1:3 rwm\nc 5:* rwm");
}

#[test]
fn devices_that_are_refused_leave_everything_as_it_was() {
    let Some(place) = Place::v1("olddevices") else { return };
    let null = device(true, DeviceKind::Char, Some(1), Some(3));
    Cgroup::create(&CgroupPlan { devices: Some(null_and_zero()), ..place.plan("pod", vec![]) }).unwrap();
    let plan = CgroupPlan { devices: Some(vec![null]), ..place.plan("pod/c", vec![write("pids", "pids.max", "9")]) };
    let cgroup = Cgroup::create(&plan).unwrap();
    let hole = vec![device(true, DeviceKind::Char, Some(1), None), device(false, DeviceKind::Char, Some(1), Some(3))];
    // The pod has no terminal to give, but /dev/zero, which is allowed first.
    let mut beyond = null_and_zero();
    beyond.push(device(true, DeviceKind::Char, Some(5), Some(0)));
    for (rules, word) in [(hole, "cannot take the rule"), (beyond, "c 5:0 rwm: operation not permitted")] {
        let error = cgroup.update(&update(vec![write("pids", "pids.max", "5")], Some(rules))).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
        assert_eq!(read(&place.dir("devices").join("pod/c"), "devices.list"), "c 1:3 rwm");
        assert_eq!(read(&place.dir("pids").join("pod/c"), "pids.max"), "9");
    }
}

#[test]
fn memory_in_use_is_no_limit() {
    let Some(place) = Place::v1("inuse") else { return };
    let cgroup = place.create("c", vec![]);
    let mut shell = Shell::waiting();
    cgroup.place(shell.pid()).unwrap();
    let check = |limit| skiff_plan::MemoryCheck { limit, total: None };
    cgroup.check_memory(&check(1 << 40)).unwrap();
    std::fs::write(place.dir("memory").join("c/memory.limit_in_bytes"), "1G").unwrap();
    assert!(matches!(cgroup.check_memory(&check(0)), Err(Error::InUse { what: "memory", limit: 0, .. })));
    cgroup.kill().unwrap();
    assert_eq!(shell.signal(), Some(libc::SIGKILL));
}

#[test]
fn pids_limit_holds() {
    let Some(place) = Place::v1("pids") else { return };
    let cgroup = place.create("pod/c", vec![write("pids", "pids.max", "3")]);
    let mut shell = Shell::start("sleep 1000 & sleep 1000 & sleep 1000 & sleep 1000 & exit 0");
    cgroup.place(shell.pid()).unwrap();
    assert_ne!(shell.finish(), 0, "the fork must fail");
    cgroup.kill().unwrap();
}

#[test]
fn memory_limit_kills_and_is_counted() {
    let Some(place) = Place::v1("memory") else { return };
    // Swap first: too small while memory is unlimited, so it has to be tried again.
    let writes = vec![
        write("memory", "memory.memsw.limit_in_bytes", "16777216"),
        write("memory", "memory.limit_in_bytes", "16777216"),
        write("memory", "memory.soft_limit_in_bytes", "8388608"),
        write("memory", "memory.swappiness", "10"),
    ];
    let cgroup = place.create("pod/c", writes);
    let dir = place.dir("memory").join("pod/c");
    let files = ["memory.memsw.limit_in_bytes", "memory.limit_in_bytes", "memory.soft_limit_in_bytes", "memory.swappiness"];
    assert_eq!(files.map(|file| read(&dir, file)), ["16777216", "16777216", "8388608", "10"]);
    assert_eq!(cgroup.oom_kills(), Some(0));
    let mut shell = Shell::start("exec dd if=/dev/zero of=/dev/null bs=64M count=1");
    cgroup.place(shell.pid()).unwrap();
    assert_eq!(shell.finish(), -libc::SIGKILL);
    assert_eq!(cgroup.oom_kills(), Some(1));
}

#[test]
fn oom_killer_can_be_switched_off() {
    let Some(place) = Place::v1("oom") else { return };
    place.create("c", vec![write("memory", "memory.oom_control", "1")]);
    assert!(read(&place.dir("memory").join("c"), "memory.oom_control").contains("oom_kill_disable 1"));
}

#[test]
fn cpu_values_arrive_in_whatever_order() {
    let Some(place) = Place::v1("cpu") else { return };
    let writes = vec![
        write("cpu", "cpu.cfs_burst_us", "20000"),
        write("cpu", "cpu.shares", "102"),
        write("cpu", "cpu.cfs_period_us", "50000"),
        write("cpu", "cpu.cfs_quota_us", "25000"),
    ];
    place.create("pod/c", writes);
    let dir = place.dir("cpu").join("pod/c");
    let files = ["cpu.cfs_burst_us", "cpu.shares", "cpu.cfs_period_us", "cpu.cfs_quota_us"];
    assert_eq!(files.map(|file| read(&dir, file)), ["20000", "102", "50000", "25000"]);
}

#[test]
fn cpusets_are_filled_from_above() {
    let Some(place) = Place::v1("cpuset") else { return };
    place.create("pod/deep/c", vec![write("cpuset", "cpuset.cpus", "0")]);
    let dir = place.dir("cpuset").join("pod/deep/c");
    assert_eq!(read(&dir, "cpuset.cpus"), "0");
    for file in ["cpuset.cpus", "cpuset.mems"] {
        assert_ne!(read(dir.parent().unwrap(), file), "");
    }
    assert_ne!(read(&dir, "cpuset.mems"), "");
}
