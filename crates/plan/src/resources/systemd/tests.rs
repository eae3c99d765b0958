//! Names, places and properties of units.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::devices;
use crate::fixtures::Random;
use crate::resources::cgroup;
use crate::{CgroupFacts, CgroupLayout, CgroupManager, CgroupPlan, DeviceKind, DeviceRule, Error, HostFacts, Options, Variant};
use crate::{fixtures, resources};
use std::path::PathBuf;

fn plan(facts: &HostFacts, linux: &str, annotations: &str) -> Result<CgroupPlan, Error> {
    let text = format!(r#"{{"ociVersion":"1.2.0","linux":{linux},"annotations":{annotations}}}"#);
    let options = Options { cgroup_manager: CgroupManager::Systemd, ..fixtures::options() };
    cgroup(&serde_json::from_str(&text).unwrap(), facts, &options)
}

fn with_path(facts: &HostFacts, path: &str) -> Result<CgroupPlan, Error> {
    plan(facts, &format!(r#"{{"cgroupsPath":"{path}"}}"#), "{}")
}

/// Unit, slice, path on version 2.
fn place(facts: &HostFacts, path: &str) -> (String, String, PathBuf) {
    let plan = with_path(facts, path).unwrap();
    let unit = plan.unit.unwrap();
    match plan.layout {
        CgroupLayout::V2 { path, .. } => (unit.name, unit.slice, path),
        other => panic!("{other:?}"),
    }
}

fn refusal(facts: &HostFacts, path: &str) -> String {
    with_path(facts, path).unwrap_err().to_string().replace("config.json: linux.cgroupsPath: ", "")
}

/// A runtime called by user 1000 (`euid` 0: in that user's namespace) from the cgroup `own`.
fn rootless(euid: u32, own: &str) -> HostFacts {
    let mut facts = HostFacts { euid, outer_uid: 1000, ..fixtures::facts() };
    if let CgroupFacts::V2 { own: place, .. } = &mut facts.cgroup {
        *place = own.into();
    }
    facts
}

/// Name and value of every property, as text.
fn properties(plan: &CgroupPlan) -> Vec<String> {
    let properties = &plan.unit.as_ref().unwrap().properties;
    properties.iter().map(|property| format!("{} {}", property.name, text(&property.value))).collect()
}

fn text(value: &Variant) -> String {
    let all = |values: &[Variant]| values.iter().map(text).collect::<Vec<_>>().join(" ");
    match value {
        Variant::Text(text) => text.clone(),
        Variant::Bool(value) => value.to_string(),
        Variant::U64(u64::MAX) => "infinity".to_owned(),
        Variant::U64(value) => value.to_string(),
        Variant::I32(value) => format!("i{value}"),
        Variant::Byte(value) => value.to_string(),
        Variant::Array(_, values) => format!("[{}]", all(values)),
        Variant::Struct(values) => format!("({})", all(values)),
        other => format!("{other:?}"),
    }
}

/// The properties that stand for limits.
fn limits(facts: &HostFacts, resources: &str) -> Vec<String> {
    let mut all = properties(&plan(facts, &format!(r#"{{"resources":{resources}}}"#), "{}").unwrap());
    let first = all.iter().position(|line| line.starts_with("CollectMode")).unwrap() + 1;
    let end = all.iter().position(|line| line.starts_with("DevicePolicy")).unwrap_or(all.len());
    all.drain(first..end).collect()
}

#[test]
fn units_and_where_they_lie() {
    let root = fixtures::facts();
    let table = [
        ("", "skiff-c1.scope", "system.slice", "system.slice/skiff-c1.scope"),
        ("system.slice:docker:1234", "docker-1234.scope", "system.slice", "system.slice/docker-1234.scope"),
        (":libpod:a", "libpod-a.scope", "system.slice", "system.slice/libpod-a.scope"),
        // An empty prefix leaves its hyphen, as with runc.
        ("machine.slice::a", "-a.scope", "machine.slice", "machine.slice/-a.scope"),
        ("-.slice:x:a", "x-a.scope", "-.slice", "x-a.scope"),
        ("a-b-c.slice:x:y", "x-y.scope", "a-b-c.slice", "a.slice/a-b.slice/a-b-c.slice/x-y.scope"),
        ("kubepods.slice:x:kubepods-pod1.slice", "kubepods-pod1.slice", "kubepods.slice", "kubepods.slice/kubepods-pod1.slice"),
    ];
    for (path, unit, slice, place_of) in table {
        assert_eq!(place(&root, path), (unit.to_owned(), slice.to_owned(), place_of.into()), "{path}");
    }
}

#[test]
fn paths_that_name_no_unit() {
    let root = fixtures::facts();
    for path in ["/docker/x", "x", "a.slice:b", "a:b:c:d", "../x"] {
        let expected = format!("{path:?}: not of the format \"slice:prefix:name\", which systemd cgroups are named by");
        assert_eq!(refusal(&root, path), expected);
    }
    for slice in ["a", "a--b.slice", "-a.slice", "a-.slice", ".slice", "../b.slice", "a/b.slice", "a b.slice"] {
        assert_eq!(refusal(&root, &format!("{slice}:x:y")), format!("{slice:?}: no name of a slice"));
    }
    assert_eq!(refusal(&root, "a.slice:x:-y.slice"), "\"-y.slice\": no name of a slice");
    assert_eq!(refusal(&root, "a.slice:x:"), "\"a.slice:x:\": the name is empty");
    for name in ["../y", "y@1", "y z"] {
        let expected = format!("\"x-{name}.scope\": holds a character that no name of a unit may hold");
        assert_eq!(refusal(&root, &format!("a.slice:x:{name}")), expected);
    }
    let long = "y".repeat(255);
    assert_eq!(
        refusal(&root, &format!("a.slice:x:{long}")),
        format!("\"x-{long}.scope\": longer than the name of a unit may be")
    );
}

#[test]
fn every_hierarchy_of_version_1_has_the_same_path() {
    let CgroupLayout::V1(dirs) = with_path(&fixtures::hybrid(), "a-b.slice:x:y").unwrap().layout else { panic!("not version 1") };
    assert_eq!(dirs.len(), 12);
    assert!(dirs.iter().all(|dir| dir.path == std::path::Path::new("a.slice/a-b.slice/x-y.scope")));
    let user = HostFacts { euid: 1000, outer_uid: 1000, ..fixtures::hybrid() };
    assert_eq!(refusal(&user, ":x:y"), "\"x-y.scope\": a user's systemd has no cgroups of version 1 to give");
    let none = HostFacts { cgroup: CgroupFacts::None, ..fixtures::facts() };
    assert_eq!(refusal(&none, ":x:y"), "\"x-y.scope\": no cgroup filesystem is mounted at /sys/fs/cgroup");
}

#[test]
fn the_users_manager() {
    let service = "user.slice/user-1000.slice/user@1000.service";
    let session = "user.slice/user-1000.slice/session-1.scope";
    for (euid, own) in
        [(1000, service.to_owned()), (0, format!("{service}/app.slice/x.scope")), (1000, session.into()), (0, session.into())]
    {
        let (unit, slice, path) = place(&rootless(euid, &own), "");
        assert_eq!((unit.as_str(), slice.as_str()), ("skiff-c1.scope", "user.slice"));
        assert_eq!(path, PathBuf::from(format!("{service}/user.slice/skiff-c1.scope")), "{own}");
    }
    // A mount of a subtree: what is above is not there.
    assert_eq!(place(&rootless(1000, "user@1000.service/x"), ":a:b").2, PathBuf::from("user@1000.service/user.slice/a-b.scope"));
    // In namespaces below each other the number outside is not the true one.
    let nested = HostFacts { outer_uid: 100_000, ..rootless(0, session) };
    assert!(place(&nested, ":a:b").2.starts_with("user.slice/user-1000.slice/user@1000.service"));
    // root of a container with a systemd of its own.
    let system = with_path(&rootless(0, "system.slice/docker.service"), ":a:b").unwrap();
    assert!(!system.unit.unwrap().user);
    let user = with_path(&rootless(1000, "system.slice/cron.service"), ":a:b").unwrap();
    assert!(user.unit.as_ref().unwrap().user);
    assert!(properties(&user).iter().all(|property| !property.starts_with("Device")), "a user's manager filters no devices");
}

#[test]
fn what_every_unit_is_told() {
    let scope = properties(&with_path(&fixtures::facts(), ":x:y").unwrap());
    let expected = [
        "Description skiff container y",
        "Delegate true",
        "MemoryAccounting true",
        "CPUAccounting true",
        "IOAccounting true",
        "TasksAccounting true",
        "DefaultDependencies false",
        "CollectMode inactive-or-failed",
        "DevicePolicy strict",
    ];
    assert_eq!(scope[..9], expected);
    let slice = properties(&with_path(&fixtures::facts(), "a.slice:x:a-b.slice").unwrap());
    assert_eq!(slice[..2], ["Description skiff container a-b.slice", "Wants [a.slice]"]);
    assert!(properties(&with_path(&fixtures::hybrid(), ":x:y").unwrap()).contains(&"BlockIOAccounting true".to_owned()));
}

#[test]
fn limits_of_version_2() {
    let limits = |resources| limits(&fixtures::facts(), resources);
    let memory = r#"{"memory":{"limit":100,"swap":300,"reservation":50},"pids":{"limit":7}}"#;
    assert_eq!(limits(memory), ["MemoryMax 100", "MemoryLow 50", "MemorySwapMax 200", "TasksMax 7"]);
    let none = r#"{"memory":{"limit":-1},"pids":{"limit":-1},"cpu":{"quota":-1}}"#;
    assert_eq!(
        limits(none),
        ["MemoryMax infinity", "MemorySwapMax infinity", "TasksMax infinity", "CPUQuotaPerSecUSec infinity"]
    );
    assert!(
        limits(r#"{"memory":{"limit":0},"pids":{"limit":0},"cpu":{"shares":0,"quota":0,"cpus":""},"blockIO":{}}"#).is_empty()
    );
    let cpu = r#"{"cpu":{"shares":1024,"quota":500000,"period":900000,"cpus":"0-2","mems":"0"}}"#;
    let expected =
        ["AllowedCPUs [7]", "AllowedMemoryNodes [1]", "CPUWeight 100", "CPUQuotaPeriodUSec 900000", "CPUQuotaPerSecUSec 560000"];
    assert_eq!(limits(cpu), expected);
    assert_eq!(limits(r#"{"cpu":{"quota":5000}}"#), ["CPUQuotaPerSecUSec 50000"]);
    assert_eq!(limits(r#"{"cpu":{"period":50000}}"#), ["CPUQuotaPeriodUSec 50000", "CPUQuotaPerSecUSec infinity"]);
    assert_eq!(limits(r#"{"cpu":{"idle":1}}"#), ["CPUWeight 0"]);
    let io = r#"{"blockIO":{"weight":100,"weightDevice":[{"major":8,"minor":0,"weight":10}],
        "throttleWriteIOPSDevice":[{"major":8,"minor":0,"rate":9},{"major":8,"minor":16,"rate":0}]}}"#;
    let expected =
        ["IOWeight 910", "IODeviceWeight [(/dev/block/8:0 1)]", "IOWriteIOPSMax [(/dev/block/8:0 9) (/dev/block/8:16 infinity)]"];
    assert_eq!(limits(io), expected);
}

#[test]
fn limits_of_the_unified_map() {
    let limits = |resources| limits(&fixtures::facts(), resources);
    let files = r#"{"memory":{"limit":100},"unified":{"memory.max":"2M","memory.high":"max","memory.min":"1","cpu.max":"max 100000",
        "cpu.weight":"16","pids.max":"10","cpuset.cpus":"1","memory.oom.group":"1","memory.zswap.max":"5","io.max":"8:0 rbps=1"}}"#;
    let expected = [
        "CPUQuotaPeriodUSec 100000",
        "CPUQuotaPerSecUSec infinity",
        "CPUWeight 16",
        "AllowedCPUs [2]",
        "MemoryHigh infinity",
        "MemoryMax 2097152",
        "MemoryMin 1",
        "OOMPolicy kill",
        "MemoryZSwapMax 5",
        "TasksMax 10",
    ];
    assert_eq!(limits(files), expected);
    assert_eq!(limits(r#"{"unified":{"cpu.idle":"1","cpu.weight":"5"}}"#), ["CPUWeight 0"]);
    let wrong = plan(&fixtures::facts(), r#"{"resources":{"unified":{"pids.max":"many"}}}"#, "{}").unwrap_err().to_string();
    assert_eq!(wrong, "config.json: linux.resources.unified.pids.max: \"many\": no number, which systemd needs");
}

#[test]
fn newer_properties_say_so() {
    let resources = r#"{"resources":{"unified":{"cpu.idle":"1","memory.oom.group":"0","memory.max":"1"}}}"#;
    let plan = plan(&fixtures::facts(), resources, "{}").unwrap();
    let newer = plan.unit.unwrap().properties.into_iter().filter(|property| property.since > 0);
    let newer: Vec<(String, u32)> = newer.map(|property| (property.name, property.since)).collect();
    assert_eq!(newer, [("CPUWeight".to_owned(), 252), ("OOMPolicy".to_owned(), 253)]);
}

#[test]
fn limits_of_version_1() {
    let resources = r#"{"memory":{"limit":100,"swap":300,"reservation":50},"pids":{"limit":7},"cpu":{"shares":512,"quota":1,"period":2},
        "blockIO":{"weight":10,"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":9}]}}"#;
    let expected = [
        "MemoryLimit 100",
        "TasksMax 7",
        "CPUShares 512",
        "CPUQuotaPeriodUSec 2",
        "CPUQuotaPerSecUSec 500000",
        "BlockIOWeight 10",
    ];
    assert_eq!(limits(&fixtures::hybrid(), resources), expected);
}

#[test]
fn annotations_become_properties() {
    let annotations = r#"{"org.systemd.property.TimeoutStopSec":"uint64 10","org.systemd.property.KillSignal":"15","other":"x",
        "org.systemd.property.CollectMode":"'inactive'","org.systemd.property.RuntimeMaxSec":"1.5","org.systemd.property.MemoryMax":"uint64 5"}"#;
    let plan = plan(&fixtures::facts(), r#"{"resources":{"memory":{"limit":7}}}"#, annotations).unwrap();
    let all = properties(&plan);
    assert_eq!(
        all[7..12],
        ["CollectMode inactive", "KillSignal i15", "RuntimeMaxUSec 1500000", "TimeoutStopUSec 10000000", "MemoryMax 7"]
    );
    let names: std::collections::BTreeSet<&str> = all.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(names.len(), all.len(), "no name twice");
}

#[test]
fn annotations_that_are_no_properties() {
    let refused = |name: &str, value: &str| {
        let annotations = format!(r#"{{"org.systemd.property.{name}":"{value}"}}"#);
        plan(&fixtures::facts(), "{}", &annotations)
            .unwrap_err()
            .to_string()
            .replace("config.json: annotations.org.systemd.property.", "")
    };
    assert_eq!(refused("KillSignal", "now"), "KillSignal: \"now\": `now` is no value: a string needs quotes");
    assert_eq!(refused("TimeoutStopSec", "'x'"), "TimeoutStopSec: \"'x'\": no number of seconds");
    assert_eq!(refused("TimeoutStopSec", "-1"), "TimeoutStopSec: \"-1\": less than no time");
    assert_eq!(
        refused("TimeoutStopSec", "uint64 18446744073709551615"),
        "TimeoutStopSec: \"uint64 18446744073709551615\": more microseconds than there are"
    );
    assert_eq!(refused("TimeoutStopSec", "1e30"), "TimeoutStopSec: \"1e30\": no such time");
    for name in ["", "ab", "A.B", "Kill Signal", "Ünit"] {
        let expected = format!("{name}: a property's name has three letters at least, and nothing else");
        assert_eq!(refused(name, "1"), expected);
    }
    assert_eq!(refused("Slice", "'x.slice'"), "Slice: is decided by linux.cgroupsPath and the runtime");
    // Without systemd they say nothing to anybody.
    let text = r#"{"ociVersion":"1.2.0","annotations":{"org.systemd.property.KillSignal":"now"}}"#;
    let spec = serde_json::from_str(text).unwrap();
    assert_eq!(resources::cgroup(&spec, &fixtures::facts(), &fixtures::options()).unwrap().unit, None);
}

#[test]
fn devices_of_docker() {
    let devices = r#"{"resources":{"devices":[{"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":10,"minor":229,"access":"rw"},
        {"allow":true,"type":"b","major":8,"access":"r"}]}}"#;
    let all = properties(&plan(&fixtures::facts(), devices, "{}").unwrap());
    let policy = all.iter().position(|line| line == "DevicePolicy strict").unwrap();
    let expected = "DeviceAllow [(block-* m) (block-8 r) (char-* m) (/dev/char/1:3 rwm) (/dev/char/1:5 rwm) (/dev/char/1:7 rwm) (/dev/char/1:8 rwm) \
        (/dev/char/1:9 rwm) (/dev/char/5:0 rwm) (/dev/char/5:2 rwm) (/dev/char/10:229 rw) (char-136 rwm)]";
    assert_eq!(all[policy + 1], expected);
    // A minor number of any major: all of them where our own filter stands beside, and none where it does not.
    let any_major = r#"{"resources":{"devices":[{"allow":true,"type":"c","minor":7,"access":"r"}]}}"#;
    let of = |facts| properties(&plan(&facts, any_major, "{}").unwrap()).join("\n");
    assert!(of(fixtures::facts()).contains("(char-* rm)") && of(fixtures::hybrid()).contains("(char-* m)"));
    let privileged = r#"{"resources":{"devices":[{"allow":false,"access":"rwm"},{"allow":true,"access":"rwm"}]}}"#;
    let all = properties(&plan(&fixtures::facts(), privileged, "{}").unwrap());
    assert_eq!(all.last().unwrap(), "DevicePolicy auto");
    let excepted =
        r#"{"resources":{"devices":[{"allow":true,"access":"rwm"},{"allow":false,"type":"c","major":10,"access":"rwm"}]}}"#;
    assert!(plan(&fixtures::facts(), excepted, "{}").is_ok());
    let error = plan(&fixtures::hybrid(), excepted, "{}").unwrap_err().to_string();
    assert!(error.starts_with("config.json: linux.resources.devices: everything is allowed, but for some"), "{error}");
    assert!(plan(&fixtures::hybrid(), privileged, "{}").is_ok());
}

/// Whether systemd, told these properties, would let an access through.
fn lets(properties: &[crate::UnitProperty], kind: &str, major: u32, minor: u32, letter: char) -> bool {
    if properties[0].value == Variant::Text("auto".to_owned()) {
        return true;
    }
    let paths = [format!("{kind}-*"), format!("{kind}-{major}"), format!("/dev/{kind}/{major}:{minor}")];
    let entry = |entry: &Variant| match entry {
        Variant::Struct(pair) => paths.contains(&text(&pair[0])) && text(&pair[1]).contains(letter),
        other => panic!("{other:?}"),
    };
    properties[1..].iter().any(|list| matches!(&list.value, Variant::Array(_, entries) if entries.iter().any(entry)))
}

/// The filter of crates/cgroup cannot give back what systemd's takes.
#[test]
fn nothing_allowed_is_kept_back() {
    let mut random = Random(0xdead);
    for _ in 0..1000 {
        let number = |random: &mut Random| random.one_of(&[None, Some(1), Some(2)]);
        let rule = |random: &mut Random| DeviceRule {
            allow: random.below(2) == 0,
            kind: random.one_of(&[DeviceKind::All, DeviceKind::Block, DeviceKind::Char]),
            major: number(random),
            minor: number(random),
            read: random.below(3) > 0,
            write: random.below(3) > 0,
            mknod: random.below(3) > 0,
        };
        let rules: Vec<DeviceRule> = (0..random.below(6)).map(|_| rule(&mut random)).collect();
        let told = devices::properties(&rules, false, false).unwrap();
        for (kind, name) in [(DeviceKind::Block, "block"), (DeviceKind::Char, "char")] {
            for (major, minor, letter) in [(1, 1, 'r'), (1, 2, 'w'), (2, 1, 'm'), (2, 3, 'r'), (3, 1, 'w'), (3, 3, 'm')] {
                if resources::tests::allowed(&rules, kind, major, minor, letter) {
                    assert!(lets(&told, name, major, minor, letter), "{name} {major}:{minor} {letter} {rules:#?} {told:#?}");
                }
            }
        }
    }
}
