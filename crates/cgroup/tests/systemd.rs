//! The systemd driver against a systemd that runs, the system's as root and else the user's, seen from outside: by systemctl
//! and in the kernel's files. On a host without one only what is said without it can be tested.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;
#[path = "common/unit.rs"]
mod unit;
use common::{DEVICE_SCRIPT, Shell, device, null_and_zero, read, update, write};
use nix::unistd::geteuid;
use skiff_cgroup::{Cgroup, CgroupRecord, Error, UnitError, UnitRecord, planned, systemd};
use skiff_plan::{CgroupLayout, CgroupPlan, CgroupUpdate, DeviceKind, DeviceRule, SystemdUnit, UnitProperty, Variant};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use unit::{Unit, property, skip, systemctl};

const MIB: u64 = 1 << 20;

/// systemd's own device filter.
fn only(devices: &[&str]) -> Vec<UnitProperty> {
    let pair = |path: &&str| Variant::Struct(vec![Variant::Text((*path).into()), Variant::Text("rwm".into())]);
    let list = |devices: &[&str]| property("DeviceAllow", Variant::Array("(ss)".into(), devices.iter().map(pair).collect()));
    vec![property("DevicePolicy", Variant::Text("strict".into())), list(&[]), list(devices)]
}

fn cgroup_of(pid: u32) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    text.lines().find_map(|line| line.strip_prefix("0::/")).unwrap().to_owned()
}

fn why(error: &Error) -> &UnitError {
    match error {
        Error::Unit { why, .. } => why,
        other => panic!("{other}"),
    }
}

/// Ends by itself, and leaves its unit failed.
fn fail(unit: &Unit) {
    let user: &[&str] = if geteuid().is_root() { &[] } else { &["--user"] };
    let mut child: Child = Command::new("systemd-run")
        .args(user)
        .args(["--scope", "--unit", &unit.name, "-p", "RuntimeMaxSec=1ms", "sleep", "1000"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.wait().unwrap();
    let deadline = Instant::now() + Duration::from_secs(300);
    while unit.show("ActiveState") != "failed" && Instant::now() < deadline {}
    assert_eq!(unit.show("ActiveState"), "failed", "{}", unit.show("Result"));
}

#[test]
fn a_scope_is_made_limited_and_removed() {
    let Some(unit) = Unit::scope("life") else { return };
    let properties = vec![
        property("Description", Variant::Text("a test".into())),
        property("MemoryMax", Variant::U64(64 * MIB)),
        property("TasksMax", Variant::U64(20)),
        property("CPUQuotaPerSecUSec", Variant::U64(500_000)),
        // Older systemd would refuse it, and this one does not know it.
        UnitProperty { name: "NotYetInvented".into(), value: Variant::Bool(true), since: 99_999 },
    ];
    let plan = unit.plan(properties, vec![write("memory", "memory.high", "33554432"), write("pids", "pids.max", "20")]);
    let mut shell = Shell::waiting();
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = descriptors();
    let cgroup = Cgroup::create_unit(&plan, shell.pid()).unwrap();
    // The cgroup's directory is open, no connection is.
    assert_eq!(descriptors(), before + 1);

    let record = cgroup.record();
    assert_eq!(record, planned(&plan));
    assert_eq!(record.unit, Some(unit.record()));
    let dir = &record.dirs[0].1;
    assert_eq!(unit.mount().join(cgroup_of(shell.pid())), *dir);
    assert_eq!(cgroup.pids().unwrap(), [shell.pid()]);
    for (name, wanted) in [
        ("ActiveState", "active"),
        ("Description", "a test"),
        ("MemoryMax", "67108864"),
        ("TasksMax", "20"),
        ("CPUQuotaPerSecUSec", "500ms"),
        ("Delegate", "yes"),
        ("Transient", "yes"),
        ("ControlGroup", &format!("/{}", cgroup_of(shell.pid()))),
    ] {
        assert_eq!(unit.show(name), wanted, "{name}");
    }
    for (file, wanted) in
        [("memory.max", "67108864"), ("memory.high", "33554432"), ("pids.max", "20"), ("cpu.max", "50000 100000")]
    {
        assert_eq!(read(dir, file), wanted, "{file}");
    }

    let later = Cgroup::open(&record);
    later.kill().unwrap();
    assert_eq!(shell.signal(), Some(libc::SIGKILL));
    later.remove().unwrap();
    unit.assert_gone(&plan);
    later.remove().unwrap();
}

#[test]
fn a_scope_lies_in_the_slice_that_is_asked_for() {
    let Some(unit) = Unit::scope("slice") else { return };
    let above = format!("skifftest{}.slice", std::process::id());
    let inner = above.replace(".slice", "-inner.slice");
    let shell = Shell::waiting();
    let plan = unit.plan_in(&inner, &format!("{above}/{inner}"), vec![], vec![write("pids", "pids.max", "9")]);
    let cgroup = Cgroup::create_unit(&plan, shell.pid()).unwrap();
    assert_eq!(unit.show("Slice"), inner);
    let dir = unit.dir(&format!("{above}/{inner}"));
    assert_eq!(cgroup.record().dirs[0].1, dir);
    assert_eq!(read(&dir, "pids.max"), "9");
    cgroup.kill().unwrap();
    cgroup.remove().unwrap();
    unit.assert_gone(&plan);
    systemctl(&["stop", &above]);
}

#[test]
fn a_process_below_the_scope_may_make_cgroups_of_its_own() {
    let Some(unit) = Unit::scope("delegated") else { return };
    let plan = unit.plan(vec![], vec![]);
    let shell = Shell::waiting();
    let cgroup = Cgroup::create_unit(&plan, shell.pid()).unwrap();
    let dir = unit.mount().join(cgroup_of(shell.pid()));
    std::fs::create_dir(dir.join("inner")).unwrap();
    std::fs::write(dir.join("inner/cgroup.procs"), shell.pid().to_string()).unwrap();
    std::fs::write(dir.join("cgroup.subtree_control"), "+pids +memory").unwrap();
    assert!(dir.join("inner/memory.max").exists());
    assert_eq!(cgroup.pids().unwrap(), [shell.pid()]);
    cgroup.kill().unwrap();
    cgroup.remove().unwrap();
    unit.assert_gone(&plan);
}

#[test]
fn a_slice_is_made_and_the_process_placed() {
    let Some(unit) = Unit::of("whole", "slice") else { return };
    let plan = unit.plan_in("", "", vec![property("MemoryMax", Variant::U64(64 * MIB))], vec![write("pids", "pids.max", "9")]);
    let shell = Shell::waiting();
    let cgroup = Cgroup::create_unit(&plan, shell.pid()).unwrap();
    let dir = unit.dir("");
    assert_eq!(unit.mount().join(cgroup_of(shell.pid())), dir);
    assert_eq!((read(&dir, "memory.max"), read(&dir, "pids.max")), ("67108864".into(), "9".into()));
    assert_eq!(unit.show("ActiveState"), "active");
    cgroup.kill().unwrap();
    Cgroup::open(&cgroup.record()).remove().unwrap();
    unit.assert_gone(&plan);
}

#[test]
fn devices_are_filtered_though_systemd_has_a_filter_too() {
    let Some(unit) = Unit::scope("devices") else { return };
    if !geteuid().is_root() {
        return skip("not root");
    }
    let plan = CgroupPlan { devices: Some(null_and_zero()), ..unit.plan(only(&["/dev/full", "/dev/zero"]), vec![]) };
    let mut shell = Shell::start(DEVICE_SCRIPT);
    let cgroup = Cgroup::create_unit(&plan, shell.pid()).unwrap();
    assert_eq!(shell.finish(), 0);
    cgroup.remove().unwrap();
    unit.assert_gone(&plan);
}

#[test]
fn removal_ends_what_still_runs() {
    let Some(unit) = Unit::any("stop") else { return };
    let plan = unit.plan(vec![], vec![]);
    let mut shell = Shell::waiting();
    let cgroup = Cgroup::create_unit(&plan, shell.pid()).unwrap();
    cgroup.remove().unwrap();
    assert_eq!(shell.signal(), Some(libc::SIGTERM));
    unit.assert_gone(&plan);
}

#[test]
fn the_name_of_a_failed_unit_can_be_used() {
    let Some(unit) = Unit::any("failed") else { return };
    fail(&unit);
    let plan = unit.plan(vec![], vec![]);
    let shell = Shell::waiting();
    let cgroup = Cgroup::create_unit(&plan, shell.pid()).unwrap();
    assert_eq!(unit.show("ActiveState"), "active");
    cgroup.kill().unwrap();
    cgroup.remove().unwrap();
    unit.assert_gone(&plan);
}

#[test]
fn removal_forgets_a_failed_unit() {
    let Some(unit) = Unit::any("forgotten") else { return };
    fail(&unit);
    let plan = unit.plan(vec![], vec![]);
    Cgroup::open(&planned(&plan)).remove().unwrap();
    unit.assert_gone(&plan);
}

#[test]
fn an_active_unit_is_left_alone() {
    let Some(unit) = Unit::any("active") else { return };
    let plan = unit.plan(vec![], vec![]);
    let (mut first, mut second) = (Shell::waiting(), Shell::waiting());
    let cgroup = Cgroup::create_unit(&plan, first.pid()).unwrap();
    let error = Cgroup::create_unit(&plan, second.pid()).unwrap_err();
    assert_eq!(error.to_string(), format!("start unit {}: a unit of that name exists already", unit.name));
    assert_eq!(*why(&error), UnitError::Exists);
    assert_eq!(cgroup.pids().unwrap(), [first.pid()]);
    assert_eq!(unit.show("ActiveState"), "active");
    assert_eq!(second.finish(), 0);
    assert_eq!(first.finish(), 0);
    cgroup.remove().unwrap();
}

#[test]
fn what_systemd_refuses_leaves_nothing() {
    let Some(unit) = Unit::any("refused") else { return };
    let mut shell = Shell::waiting();
    for (bad, known) in [
        (property("NoSuchThing", Variant::Bool(true)), "NoSuchThing"),
        (property("MemoryMax", Variant::Text("much".into())), "Unexpected message contents"),
        (property("Description", Variant::Text("a\0b".into())), "Description"),
    ] {
        let plan = unit.plan(vec![bad.clone()], vec![]);
        let error = Cgroup::create_unit(&plan, shell.pid()).unwrap_err();
        assert!(matches!(why(&error), UnitError::Refused { .. } | UnitError::Property { .. }), "{error}");
        assert!(error.to_string().contains(known), "{error}");
        unit.assert_gone(&plan);
    }
    for name in ["", "a'b.scope", "no-suffix", "a/b.scope"] {
        let plan = unit.plan(vec![], vec![]);
        let named = plan.unit.clone().map(|unit| SystemdUnit { name: name.into(), ..unit });
        let error = Cgroup::create_unit(&CgroupPlan { unit: named, ..plan }, shell.pid()).unwrap_err();
        assert!(matches!(why(&error), UnitError::Name | UnitError::Refused { .. }), "{error}");
    }
    assert_eq!(shell.finish(), 0, "a process that was not taken is not ended");
}

#[test]
fn a_limit_that_the_kernel_refuses_takes_the_unit_away() {
    let Some(unit) = Unit::scope("limit") else { return };
    let plan = unit.plan(vec![], vec![write("memory", "memory.max", "much")]);
    let mut shell = Shell::waiting();
    let error = Cgroup::create_unit(&plan, shell.pid()).unwrap_err();
    assert_eq!(error.errno(), Some(nix::errno::Errno::EINVAL), "{error}");
    assert_eq!(shell.signal(), Some(libc::SIGKILL));
    unit.assert_gone(&plan);
}

#[test]
fn a_process_that_has_ended_is_no_unit() {
    let Some(unit) = Unit::any("dead") else { return };
    let plan = unit.plan(vec![], vec![]);
    // Not waited for, so the pid is still its own.
    let mut shell = Shell::start(":");
    let pid = shell.pid();
    shell.go();
    while !std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap().contains(") Z ") {}
    let error = Cgroup::create_unit(&plan, pid).unwrap_err();
    assert!(matches!(error, Error::Unit { .. }), "{error}");
    unit.assert_gone(&plan);
}

#[test]
fn a_frozen_slice_is_refused() {
    let Some(unit) = Unit::scope("frozen") else { return };
    let above = format!("skifftest{}frozen.slice", std::process::id());
    let Some(holder) = Unit::scope("holder") else { return };
    let (inside, mut shell) = (Shell::waiting(), Shell::waiting());
    let held = Cgroup::create_unit(&holder.plan_in(&above, &above, vec![], vec![]), inside.pid()).unwrap();
    let dir = unit.mount().join(&unit.root).join(&above);
    std::fs::write(dir.join("cgroup.freeze"), "1").unwrap();
    let plan = unit.plan_in(&above, &above, vec![], vec![]);
    let error = Cgroup::create_unit(&plan, shell.pid()).unwrap_err();
    std::fs::write(dir.join("cgroup.freeze"), "0").unwrap();
    assert_eq!(error, Error::Frozen(dir));
    unit.assert_gone(&plan);
    assert_eq!(shell.finish(), 0);
    held.kill().unwrap();
    held.remove().unwrap();
    systemctl(&["stop", &above]);
}

#[test]
fn properties_of_a_unit_change_together() {
    let Some(unit) = Unit::scope("update") else { return };
    let plan = unit.plan(vec![property("MemoryMax", Variant::U64(64 * MIB))], vec![]);
    let shell = Shell::waiting();
    let cgroup = Cgroup::create_unit(&plan, shell.pid()).unwrap();
    let dir = cgroup.record().dirs[0].1.clone();
    let memory = |mib: u64| property("MemoryMax", Variant::U64(mib * MIB));
    let tasks = property("TasksMax", Variant::U64(7));
    systemd::set_properties(&unit.record(), &[memory(32), tasks.clone()]).unwrap();
    assert_eq!((unit.show("MemoryMax"), unit.show("TasksMax")), ("33554432".into(), "7".into()));
    assert_eq!((read(&dir, "memory.max"), read(&dir, "pids.max")), ("33554432".into(), "7".into()));

    let error = systemd::set_properties(&unit.record(), &[memory(16), property("NoSuchThing", Variant::Bool(true))]).unwrap_err();
    assert!(error.to_string().starts_with(&format!("set properties of unit {}: ", unit.name)), "{error}");
    assert_eq!((unit.show("MemoryMax"), read(&dir, "memory.max")), ("33554432".into(), "33554432".into()));
    systemd::set_properties(&unit.record(), &[]).unwrap();
    cgroup.kill().unwrap();
    cgroup.remove().unwrap();
    assert!(matches!(why(&systemd::set_properties(&unit.record(), &[tasks]).unwrap_err()), UnitError::Refused { .. }));
}

#[test]
fn an_update_is_whole_or_nothing_to_systemd_too() {
    let Some(unit) = Unit::any("wholeornothing") else { return };
    let root = geteuid().is_root();
    let mut properties = if root { only(&["/dev/null", "/dev/zero"]) } else { vec![] };
    properties.push(property("TasksMax", Variant::U64(20)));
    let plan = CgroupPlan { devices: root.then(null_and_zero), ..unit.plan(properties, vec![write("pids", "pids.max", "20")]) };
    let mut shell = Shell::start(DEVICE_SCRIPT);
    let cgroup = Cgroup::create_unit(&plan, shell.pid()).unwrap();
    let dir = dir_of(&cgroup, "pids");
    let change = |devices: Option<Vec<DeviceRule>>, more: &[UnitProperty]| CgroupUpdate {
        properties: [&[property("TasksMax", Variant::U64(7))], more].concat(),
        ..update(vec![write("pids", "pids.max", "7")], devices)
    };
    let refused = |change: CgroupUpdate| {
        let error = cgroup.update(&change).unwrap_err();
        assert_eq!((unit.show("TasksMax"), read(&dir, "pids.max")), ("20".into(), "20".into()), "{error}");
        error
    };
    let everything = root.then(|| vec![device(true, DeviceKind::All, None, None)]);
    let error = refused(change(everything, &[property("NoSuchThing", Variant::Bool(true))]));
    assert!(matches!(why(&error), UnitError::Refused { .. }), "{error}");
    // Version 1 has no such rules, and a user no right to any filter.
    if !root || cgroup.record().version == 1 {
        let hole = vec![device(true, DeviceKind::Char, Some(1), None), device(false, DeviceKind::Char, Some(1), Some(3))];
        refused(change(Some(hole), &[]));
    }
    let ended = shell.finish();
    assert!(!root || ended == 0, "the devices are as they were: {ended}");
    cgroup.remove().unwrap();
    unit.assert_gone(&plan);
}

/// The cgroup's directory with the files of a controller.
fn dir_of(cgroup: &Cgroup, controller: &str) -> PathBuf {
    let CgroupRecord { version, dirs, .. } = cgroup.record();
    dirs.into_iter().find(|(names, _)| version == 2 || names.split(',').any(|name| name == controller)).unwrap().1
}

#[test]
fn devices_of_version_1_outlive_a_change_of_a_property() {
    let Some(unit) = Unit::v1("devicelist", "scope") else { return };
    // systemd has no word for the last one.
    let mut rules = null_and_zero();
    rules.push(device(true, DeviceKind::Char, None, Some(7)));
    let plan = CgroupPlan { devices: Some(rules), ..unit.plan(only(&["/dev/null", "/dev/zero"]), vec![]) };
    let shell = Shell::waiting();
    let cgroup = Cgroup::create_unit(&plan, shell.pid()).unwrap();
    let list = || {
        let text = read(&dir_of(&cgroup, "devices"), "devices.list");
        text.lines().map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let before = list();
    assert!(before.contains("c *:7 rwm"), "{before:?}");
    cgroup.update(&CgroupUpdate { properties: vec![property("TasksMax", Variant::U64(7))], ..update(vec![], None) }).unwrap();
    assert_eq!((list(), cgroup.frozen()), (before, Ok(false)));
    cgroup.kill().unwrap();
    cgroup.remove().unwrap();
    unit.assert_gone(&plan);
}

/// The line of each hierarchy in `/proc/PID/cgroup`: its controllers and the process' path.
fn cgroups_of(pid: u32) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let fields = |line: &str| line.splitn(3, ':').skip(1).map(str::to_owned).collect::<Vec<_>>();
    text.lines().map(fields).map(|fields| (fields[0].clone(), fields[1].clone())).collect()
}

#[test]
fn a_scope_of_version_1_is_in_every_hierarchy() {
    let Some(unit) = Unit::v1("every", "scope") else { return };
    // Without its own list systemd would allow every device again with the next change of a property.
    let mut properties = only(&["/dev/null", "/dev/zero"]);
    properties.extend([property("MemoryLimit", Variant::U64(64 * MIB)), property("TasksMax", Variant::U64(20))]);
    let writes = vec![write("memory", "memory.limit_in_bytes", "67108864"), write("cpu", "cpu.shares", "512")];
    let plan = CgroupPlan { devices: Some(null_and_zero()), ..unit.plan(properties, writes) };
    let mut shell = Shell::start(DEVICE_SCRIPT);
    let cgroup = Cgroup::create_unit(&plan, shell.pid()).unwrap();
    assert_eq!(cgroup.record(), planned(&plan));
    let place = format!("/system.slice/{}", unit.name);
    for (controllers, path) in cgroups_of(shell.pid()) {
        assert_eq!(path, place, "{controllers}");
    }
    assert_eq!(read(&dir_of(&cgroup, "memory"), "memory.limit_in_bytes"), "67108864");
    assert_eq!(read(&dir_of(&cgroup, "pids"), "pids.max"), "20");
    assert_eq!(read(&dir_of(&cgroup, "cpu"), "cpu.shares"), "512");
    cgroup.freeze().unwrap();
    cgroup.resume().unwrap();
    systemd::set_properties(&unit.record(), &[property("TasksMax", Variant::U64(7))]).unwrap();
    assert_eq!(read(&dir_of(&cgroup, "pids"), "pids.max"), "7");
    assert_eq!(shell.finish(), 0);
    Cgroup::open(&cgroup.record()).remove().unwrap();
    unit.assert_gone(&plan);
}

#[test]
fn a_slice_of_version_1_has_the_process_in_every_hierarchy() {
    let Some(unit) = Unit::v1("wholev1", "slice") else { return };
    let plan = unit.plan_in("", "", vec![], vec![write("pids", "pids.max", "9")]);
    let shell = Shell::waiting();
    let cgroup = Cgroup::create_unit(&plan, shell.pid()).unwrap();
    for (controllers, path) in cgroups_of(shell.pid()) {
        assert_eq!(path, format!("/{}", unit.name), "{controllers}");
    }
    cgroup.kill().unwrap();
    cgroup.remove().unwrap();
    unit.assert_gone(&plan);
}

#[test]
fn what_fails_on_version_1_leaves_nothing() {
    let Some(unit) = Unit::v1("fails", "scope") else { return };
    let plan = unit.plan_in("system.slice", "system.slice", vec![], vec![write("net_cls", "net_cls.classid", "much")]);
    let mut shell = Shell::waiting();
    let error = Cgroup::create_unit(&plan, shell.pid()).unwrap_err();
    assert_eq!(error.errno(), Some(nix::errno::Errno::EINVAL), "{error}");
    assert_eq!(shell.signal(), Some(libc::SIGKILL));
    unit.assert_gone(&plan);
}

/// Runs the ignored test `name` of this program in an environment of its own.
fn elsewhere(prefix: &[&str], name: &str, variables: &[(&str, Option<&str>)]) {
    let own = std::env::current_exe().unwrap();
    let own = own.to_str().unwrap();
    let all: Vec<&str> = prefix.iter().copied().chain([own, "--exact", name, "--ignored", "--nocapture"]).collect();
    let mut command = Command::new(all[0]);
    command.args(&all[1..]);
    for (variable, value) in variables {
        match value {
            Some(value) => command.env(variable, value),
            None => command.env_remove(variable),
        };
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
fn without_a_manager_there_is_one_error() {
    elsewhere(&[], "no_manager", &[("XDG_RUNTIME_DIR", Some("/nonexistent")), ("DBUS_SESSION_BUS_ADDRESS", None)]);
}

#[test]
#[ignore = "run by without_a_manager_there_is_one_error"]
fn no_manager() {
    let unit = SystemdUnit { name: "x.scope".into(), slice: "app.slice".into(), user: true, properties: Vec::new() };
    let layout = CgroupLayout::V2 { mount: "/sys/fs/cgroup".into(), path: "x".into(), controllers: Vec::new() };
    let plan = CgroupPlan { unit: Some(unit), ..CgroupPlan::bare(layout) };
    let mut shell = Shell::waiting();
    let expected = "no user manager of systemd can be reached: unix:path=/nonexistent/bus: no such file or directory; \
        unix:path=/nonexistent/systemd/private: no such file or directory";
    let error = Cgroup::create_unit(&plan, shell.pid()).unwrap_err();
    assert_eq!(error.to_string(), format!("start unit x.scope: {expected}"));
    assert_eq!(shell.finish(), 0);

    // The directory goes all the same, and only once something is missing.
    let dir = std::env::temp_dir().join(format!("skiff-test-no-manager-{}", std::process::id()));
    std::fs::create_dir(&dir).unwrap();
    let unit = Some(UnitRecord { name: "x.scope".into(), user: true });
    let left = Cgroup::open(&CgroupRecord { version: 2, dirs: vec![(String::new(), dir.clone())], unit });
    assert_eq!(left.remove().unwrap_err().to_string(), format!("stop unit x.scope: {expected}"));
    assert!(!dir.exists());
    left.remove().unwrap();
}

#[test]
fn the_managers_own_socket_does_without_a_bus() {
    let Some(unit) = Unit::scope("direct") else { return };
    let name = "a_scope_is_made_and_removed";
    if geteuid().is_root() {
        let without_bus = "mount -t tmpfs none /run/dbus && exec \"$0\" \"$@\"";
        return elsewhere(&["unshare", "--mount", "sh", "-c", without_bus], name, &[("DBUS_SYSTEM_BUS_ADDRESS", None)]);
    }
    let directory = std::env::temp_dir().join(&unit.name);
    std::fs::create_dir(&directory).unwrap();
    std::os::unix::fs::symlink(Path::new(&std::env::var("XDG_RUNTIME_DIR").unwrap()).join("systemd"), directory.join("systemd"))
        .unwrap();
    elsewhere(&[], name, &[("XDG_RUNTIME_DIR", directory.to_str()), ("DBUS_SESSION_BUS_ADDRESS", None)]);
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn a_bus_that_is_named_is_the_only_one() {
    if Unit::scope("named").is_some() {
        let nowhere = Some("unix:path=/nonexistent;tcp:host=localhost");
        elsewhere(&[], "no_named_bus", &[("DBUS_SYSTEM_BUS_ADDRESS", nowhere), ("DBUS_SESSION_BUS_ADDRESS", nowhere)]);
    }
}

#[test]
#[ignore = "run by a_bus_that_is_named_is_the_only_one"]
fn no_named_bus() {
    let unit = UnitRecord { name: "x.scope".into(), user: !geteuid().is_root() };
    let error = systemd::set_properties(&unit, &[property("TasksMax", Variant::U64(7))]).unwrap_err();
    let UnitError::NoManager { tried, .. } = why(&error) else { panic!("{error}") };
    let tried: Vec<(&str, &str)> = tried.iter().map(|(address, why)| (address.as_str(), why.as_str())).collect();
    let expected =
        [("unix:path=/nonexistent", "no such file or directory"), ("tcp:host=localhost", "not an address of a Unix socket")];
    assert_eq!(tried, expected);
}

#[test]
fn root_of_a_user_namespace_reaches_the_users_manager() {
    if Unit::scope("mapped").is_none() {
        return;
    }
    if geteuid().is_root() {
        return skip("root has no manager of its own here");
    }
    elsewhere(&["unshare", "--user", "--map-root-user"], "a_scope_of_the_user_is_made_and_removed", &[]);
    let unset = [("XDG_RUNTIME_DIR", None), ("DBUS_SESSION_BUS_ADDRESS", None)];
    elsewhere(&["unshare", "--user", "--map-root-user"], "a_scope_of_the_user_is_made_and_removed", &unset);
}

#[test]
#[ignore = "run by the_managers_own_socket_does_without_a_bus"]
fn a_scope_is_made_and_removed() {
    made_and_removed(!geteuid().is_root());
}

#[test]
#[ignore = "run by root_of_a_user_namespace_reaches_the_users_manager"]
fn a_scope_of_the_user_is_made_and_removed() {
    made_and_removed(true);
}

/// Without systemctl, which would need the variables.
fn made_and_removed(user: bool) {
    let name = format!("skifftest{}elsewhere.scope", std::process::id());
    let slice = if user { "app.slice" } else { "system.slice" };
    let delegate = vec![property("Delegate", Variant::Bool(true))];
    let unit = Some(SystemdUnit { name: name.clone(), slice: slice.into(), user, properties: delegate });
    let layout =
        CgroupLayout::V2 { mount: "/sys/fs/cgroup".into(), path: Path::new("not/known").join(&name), controllers: vec![] };
    let plan = CgroupPlan { unit, writes: vec![write("pids", "pids.max", "9")], ..CgroupPlan::bare(layout) };
    let shell = Shell::waiting();
    let cgroup = Cgroup::create_unit(&plan, shell.pid()).unwrap();
    let dir = cgroup.record().dirs[0].1.clone();
    assert!(dir.ends_with(Path::new(slice).join(name)), "{}", dir.display());
    assert_eq!(read(&dir, "pids.max"), "9");
    cgroup.kill().unwrap();
    cgroup.remove().unwrap();
    assert!(!dir.exists());
}
