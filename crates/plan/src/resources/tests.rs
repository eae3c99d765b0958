//! What clients send, and what becomes of it. The blocks are cut from config.json files of real clients.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::cgroup;
use crate::{
    CgroupFacts, CgroupLayout, CgroupManager, CgroupPlan, DeviceKind, DeviceRule, Error, Hierarchy, HostFacts, Options, V1Dir,
};
use oci_spec::runtime::Spec;
use std::path::{Path, PathBuf};

const V1_CONTROLLERS: [&str; 6] = ["cpu,cpuacct", "cpuset", "memory", "devices", "pids", "name=systemd"];

fn v2(controllers: &[&str]) -> CgroupFacts {
    CgroupFacts::V2 {
        mount: "/sys/fs/cgroup".into(),
        controllers: controllers.iter().map(|name| (*name).to_owned()).collect(),
        own: "user.slice/session-1.scope".into(),
    }
}

fn full_v2() -> CgroupFacts {
    v2(&["cpuset", "cpu", "io", "memory", "pids"])
}

/// A hybrid host, with the runtime's own cgroup below `/own` in one hierarchy only.
fn v1() -> CgroupFacts {
    let hierarchy = |controllers: &&str| Hierarchy {
        mount: Path::new("/sys/fs/cgroup").join(controllers),
        controllers: (*controllers).to_owned(),
        own: PathBuf::from(if *controllers == "memory" { "own" } else { "" }),
    };
    let unified = Hierarchy { mount: "/sys/fs/cgroup/unified".into(), controllers: String::new(), own: PathBuf::new() };
    CgroupFacts::V1(V1_CONTROLLERS.iter().map(hierarchy).chain([unified]).collect())
}

fn plan_with(facts: CgroupFacts, manager: CgroupManager, linux: &str) -> Result<CgroupPlan, Error> {
    let text = format!(r#"{{"ociVersion":"1.2.0","root":{{"path":"rootfs"}},"linux":{linux}}}"#);
    let spec: Spec = serde_json::from_str(&text).unwrap();
    let facts = HostFacts {
        euid: 0,
        outer_uid: 0,
        ids: Some((0, 0)),
        groups: Vec::new(),
        bounding: u64::MAX,
        permitted: u64::MAX,
        ignored_signals: 0,
        seccomp_flags: 0,
        cgroup: facts,
    };
    cgroup(&spec, &facts, &Options { cgroup_manager: manager, ..crate::fixtures::options() })
}

fn plan(facts: CgroupFacts, linux: &str) -> Result<CgroupPlan, Error> {
    plan_with(facts, CgroupManager::Cgroupfs, linux)
}

/// The writes that `resources` becomes, as `file=value`, with a question mark where the file may be missing.
fn writes(facts: CgroupFacts, resources: &str) -> Vec<String> {
    let plan = plan(facts, &format!(r#"{{"resources":{resources}}}"#)).unwrap();
    plan.writes.iter().map(|write| format!("{}={}{}", write.file, write.value, if write.optional { "?" } else { "" })).collect()
}

fn refusal(facts: CgroupFacts, linux: &str) -> String {
    plan(facts, linux).unwrap_err().to_string().strip_prefix("config.json: ").unwrap().to_owned()
}

fn resource_refusal(facts: CgroupFacts, resources: &str) -> String {
    let text = refusal(facts, &format!(r#"{{"resources":{resources}}}"#));
    text.strip_prefix("linux.resources.").unwrap().to_owned()
}

fn v2_path(linux: &str) -> PathBuf {
    match plan(full_v2(), linux).unwrap().layout {
        CgroupLayout::V2 { path, .. } => path,
        other => panic!("{other:?}"),
    }
}

fn v1_dirs(linux: &str) -> Vec<V1Dir> {
    match plan(v1(), linux).unwrap().layout {
        CgroupLayout::V1(dirs) => dirs,
        other => panic!("{other:?}"),
    }
}

#[test]
fn paths_of_version_2() {
    assert_eq!(v2_path(r#"{"cgroupsPath":"/docker/8ebe"}"#), Path::new("docker/8ebe"));
    assert_eq!(v2_path(r#"{"cgroupsPath":"pod/x"}"#), Path::new("user.slice/pod/x"));
    assert_eq!(v2_path("{}"), Path::new("user.slice/c1"));
    assert_eq!(v2_path(r#"{"cgroupsPath":""}"#), Path::new("user.slice/c1"));
    assert_eq!(v2_path(r#"{"cgroupsPath":"/a//./c/"}"#), Path::new("a/c"));
}

#[test]
fn paths_of_version_1() {
    let dirs = v1_dirs(r#"{"cgroupsPath":"/kubepods/x"}"#);
    assert_eq!(dirs.len(), 7);
    assert!(dirs.iter().all(|dir| dir.path == Path::new("kubepods/x")));
    assert_eq!(dirs.last().unwrap().controllers, "");
    let memory = |linux| v1_dirs(linux).into_iter().find(|dir| dir.controllers == "memory").unwrap().path;
    assert_eq!(memory(r#"{"cgroupsPath":"x"}"#), Path::new("own/x"));
    assert_eq!(memory("{}"), Path::new("own/c1"));
    assert_eq!(v1_dirs("{}")[0].path, Path::new("c1"));
}

#[test]
fn paths_that_lead_elsewhere_are_refused() {
    for path in ["/../x", "../x", "/a/../../x", "a/../../x", "/a/../x", "/a/.."] {
        let text = refusal(full_v2(), &format!(r#"{{"cgroupsPath":"{path}"}}"#));
        assert_eq!(text, format!("linux.cgroupsPath: \"{path}\": `..` could lead into another's cgroup"));
    }
    for path in ["/", ".", "/./"] {
        let text = refusal(v1(), &format!(r#"{{"cgroupsPath":"{path}"}}"#));
        assert_eq!(text, format!("linux.cgroupsPath: \"{path}\": names no cgroup of the container's own"));
    }
    let text = refusal(full_v2(), r#"{"cgroupsPath":"/a\u0000b"}"#);
    assert_eq!(text, r#"linux.cgroupsPath: "/a\0b": holds a byte that no cgroup name may hold"#);
    let text = refusal(full_v2(), r#"{"cgroupsPath":"machine.slice:libpod:1234"}"#);
    assert!(text.contains("needs the systemd cgroup driver"), "{text}");
    assert_eq!(v2_path(r#"{"cgroupsPath":"/a:b:c"}"#), Path::new("a:b:c"));
}

#[test]
fn no_cgroup_filesystem_is_refused() {
    let text = refusal(CgroupFacts::None, "{}");
    assert_eq!(text, "linux.cgroupsPath: \"c1\": no cgroup filesystem is mounted at /sys/fs/cgroup");
}

#[test]
fn kubernetes_limits() {
    let resources = r#"{"memory":{"limit":67108864,"swap":67108864},"cpu":{"shares":102,"quota":20000,"period":100000}}"#;
    assert_eq!(
        writes(full_v2(), resources),
        ["memory.max=67108864", "memory.swap.max=0?", "cpu.weight=17", "cpu.max=20000 100000"]
    );
    assert_eq!(
        writes(v1(), resources),
        [
            "memory.limit_in_bytes=67108864",
            "memory.memsw.limit_in_bytes=67108864",
            "cpu.shares=102",
            "cpu.cfs_period_us=100000",
            "cpu.cfs_quota_us=20000"
        ]
    );
}

#[test]
fn blocks_that_ask_for_nothing() {
    let docker = r#"{"memory":{"disableOOMKiller":false},"cpu":{"shares":0,"cpus":"","mems":""},"blockIO":{"weight":0},"pids":{},
        "network":{},"hugepageLimits":[],"unified":{},"rdma":{}}"#;
    for facts in [v1(), v2(&[])] {
        assert!(writes(facts, docker).is_empty());
    }
    let crio = r#"{"memory":{"limit":0,"swap":0},"cpu":{"shares":0,"quota":0,"period":0},"pids":{"limit":0},"blockIO":{}}"#;
    assert!(writes(v2(&[]), crio).is_empty());
}

#[test]
fn no_limit_needs_no_controller() {
    let resources = r#"{"memory":{"limit":-1},"cpu":{"quota":-1,"period":100000,"idle":0,"burst":0},"pids":{"limit":-1}}"#;
    assert!(writes(v2(&[]), resources).is_empty());
    let expected =
        ["memory.max=max?", "memory.swap.max=max?", "pids.max=max?", "cpu.idle=0?", "cpu.max.burst=0?", "cpu.max=max 100000?"];
    assert_eq!(writes(full_v2(), resources), expected);
}

#[test]
fn a_limit_without_its_controller_is_refused() {
    let missing = |resources| resource_refusal(v2(&["io"]), resources);
    let text = missing(r#"{"memory":{"limit":33554432}}"#);
    assert_eq!(text, "memory.limit: 33554432: the memory controller is not available");
    assert_eq!(missing(r#"{"pids":{"limit":5}}"#), "pids.limit: 5: the pids controller is not available");
    assert_eq!(missing(r#"{"cpu":{"shares":5}}"#), "cpu.shares: 5: the cpu controller is not available");
    assert_eq!(missing(r#"{"cpu":{"cpus":"0-3"}}"#), "cpu.cpus: 0-3: the cpuset controller is not available");
}

#[test]
fn every_controller_is_enabled_so_that_the_container_can_be_measured() {
    let plan = plan(v2(&["memory", "cpu"]), "{}").unwrap();
    assert!(matches!(plan.layout, CgroupLayout::V2 { controllers, .. } if controllers == ["memory", "cpu"]));
}

#[test]
fn swap_rules() {
    let memory = |fields: &str| writes(full_v2(), &format!(r#"{{"memory":{{{fields}}}}}"#));
    assert_eq!(memory(r#""limit":10,"swap":30"#), ["memory.max=10", "memory.swap.max=20"]);
    assert_eq!(memory(r#""limit":10,"swap":-1"#), ["memory.max=10", "memory.swap.max=max?"]);
    assert_eq!(memory(r#""limit":10"#), ["memory.max=10"]);
    assert_eq!(memory(r#""limit":-1,"swap":30"#), ["memory.max=max?", "memory.swap.max=30"]);
    assert_eq!(memory(r#""swap":-1"#), ["memory.swap.max=max?"]);
    assert_eq!(memory(r#""reservation":7"#), ["memory.low=7"]);
    for facts in [v1(), full_v2()] {
        let refused = |fields| resource_refusal(facts.clone(), &format!(r#"{{"memory":{{{fields}}}}}"#));
        assert_eq!(refused(r#""swap":30"#), "memory.swap: 30: memory.swap needs memory.limit, since it counts both");
        let text = refused(r#""limit":10,"swap":9"#);
        assert_eq!(text, "memory.swap: 9: memory.swap counts memory and swap, so it cannot be less than memory.limit");
        assert_eq!(refused(r#""limit":-2"#), "memory.limit: -2: neither a size nor -1 for unlimited");
    }
    let unlimited = writes(v1(), r#"{"memory":{"limit":-1}}"#);
    assert_eq!(unlimited, ["memory.limit_in_bytes=-1?", "memory.memsw.limit_in_bytes=-1?"]);
}

#[test]
fn what_only_version_1_has() {
    let memory = r#"{"memory":{"kernel":5,"kernelTCP":5,"useHierarchy":true,"swappiness":10,"disableOOMKiller":true}}"#;
    assert_eq!(writes(v1(), memory), ["memory.swappiness=10", "memory.oom_control=1"]);
    assert!(writes(full_v2(), memory).is_empty());
    assert_eq!(resource_refusal(v1(), r#"{"memory":{"swappiness":101}}"#), "memory.swappiness: 101: not within 0 and 100");
    let realtime = r#"{"cpu":{"realtimeRuntime":950000,"realtimePeriod":1000000}}"#;
    assert_eq!(writes(v1(), realtime), ["cpu.rt_period_us=1000000", "cpu.rt_runtime_us=950000"]);
    let text = resource_refusal(full_v2(), realtime);
    assert_eq!(text, "cpu.realtimeRuntime: 950000: cgroup version 2 has no realtime limits");
    assert!(writes(full_v2(), r#"{"cpu":{"realtimeRuntime":0,"realtimePeriod":0}}"#).is_empty());
}

#[test]
fn shares_become_weights() {
    let weight = |shares: u64| writes(full_v2(), &format!(r#"{{"cpu":{{"shares":{shares}}}}}"#)).concat();
    let table = [
        (1, 1),
        (2, 1),
        (3, 2),
        (102, 17),
        (512, 59),
        (1024, 100),
        (2048, 174),
        (4096, 303),
        (262_144, 10_000),
        (999_999, 10_000),
    ];
    for (shares, expected) in table {
        assert_eq!(weight(shares), format!("cpu.weight={expected}"), "{shares} shares");
    }
    assert_eq!(resource_refusal(v1(), r#"{"cpu":{"shares":1}}"#), "cpu.shares: 1: not within 2 and 262144");
}

#[test]
fn idle_and_shares_exclude_each_other() {
    assert_eq!(writes(v1(), r#"{"cpu":{"idle":1}}"#), ["cpu.idle=1"]);
    let text = resource_refusal(full_v2(), r#"{"cpu":{"idle":1,"shares":512}}"#);
    assert_eq!(text, "cpu.shares: 512: an idle cgroup (cpu.idle is 1) has no shares");
    assert_eq!(resource_refusal(full_v2(), r#"{"cpu":{"idle":2}}"#), "cpu.idle: 2: neither 0 nor 1");
}

#[test]
fn quota_and_period() {
    let cpu = |facts, fields: &str| writes(facts, &format!(r#"{{"cpu":{{{fields}}}}}"#));
    assert_eq!(cpu(full_v2(), r#""quota":5000"#), ["cpu.max=5000 100000"]);
    assert_eq!(cpu(full_v2(), r#""period":50000"#), ["cpu.max=max 50000?"]);
    assert_eq!(cpu(full_v2(), r#""quota":5000,"burst":10"#), ["cpu.max.burst=10", "cpu.max=5000 100000"]);
    assert_eq!(cpu(v1(), r#""quota":-1,"period":50000"#), ["cpu.cfs_period_us=50000?", "cpu.cfs_quota_us=-1?"]);
    assert_eq!(cpu(v1(), r#""burst":10,"cpus":"0-1","mems":"0""#), ["cpuset.cpus=0-1", "cpuset.mems=0", "cpu.cfs_burst_us=10"]);
    assert_eq!(cpu(v1(), r#""quota":-1,"burst":10"#), ["cpu.cfs_burst_us=10", "cpu.cfs_quota_us=-1?"]);
    for facts in [v1(), full_v2()] {
        let text = resource_refusal(facts, r#"{"cpu":{"quota":5000,"burst":5001}}"#);
        assert_eq!(text, "cpu.burst: 5001: more than the quota, which is 5000");
    }
}

#[test]
fn a_path_is_asked_for_or_chosen() {
    let named = |path: &str| plan_with(full_v2(), CgroupManager::Cgroupfs, &format!(r#"{{{path}}}"#)).unwrap().named;
    assert_eq!([r#""cgroupsPath":"/a""#, r#""cgroupsPath":"""#, ""].map(named), [true, false, false]);
}

#[test]
fn without_cgroups_a_limit_is_refused() {
    let disabled = |linux| plan_with(full_v2(), CgroupManager::Disabled, linux);
    let nothing = disabled(r#"{"resources":{"devices":[{"allow":false,"access":"rwm"}],"cpu":{},"pids":{"limit":-1}}}"#).unwrap();
    assert_eq!(nothing, CgroupPlan::bare(CgroupLayout::Disabled));
    let text = disabled(r#"{"resources":{"pids":{"limit":5}}}"#).unwrap_err().to_string();
    assert_eq!(text, "config.json: linux.resources.pids.limit: 5: cgroups are disabled");
}

/// Does the last rule that speaks of it allow the access `letter`?
pub(super) fn allowed(rules: &[DeviceRule], kind: DeviceKind, major: u32, minor: u32, letter: char) -> bool {
    let speaks = |rule: &&DeviceRule| {
        (rule.kind == DeviceKind::All || rule.kind == kind)
            && rule.major.is_none_or(|number| number == major)
            && rule.minor.is_none_or(|number| number == minor)
            && match letter {
                'r' => rule.read,
                'w' => rule.write,
                _ => rule.mknod,
            }
    };
    rules.iter().rev().find(speaks).is_some_and(|rule| rule.allow)
}

fn rules(devices: &str) -> Vec<DeviceRule> {
    plan(full_v2(), &format!(r#"{{"resources":{{"devices":{devices}}}}}"#)).unwrap().devices.unwrap()
}

#[test]
fn default_devices_without_any_rule() {
    for linux in ["{}", r#"{"resources":{}}"#, r#"{"resources":{"devices":[{"allow":false,"access":"rwm"}]}}"#] {
        let rules = plan(v1(), linux).unwrap().devices.unwrap();
        for (major, minor) in [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2), (136, 0), (136, 77)] {
            assert!("rwm".chars().all(|letter| allowed(&rules, DeviceKind::Char, major, minor, letter)), "c {major}:{minor}");
        }
        assert!(allowed(&rules, DeviceKind::Block, 8, 0, 'm') && allowed(&rules, DeviceKind::Char, 10, 229, 'm'));
        assert!(!allowed(&rules, DeviceKind::Block, 8, 0, 'r') && !allowed(&rules, DeviceKind::Char, 10, 229, 'w'));
    }
}

#[test]
fn device_rules_of_docker() {
    let run = r#"[{"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":5,"minor":1,"access":"rwm"},
        {"allow":false,"type":"c","major":10,"minor":229,"access":"rwm"}]"#;
    let run = rules(run);
    assert!(allowed(&run, DeviceKind::Char, 5, 1, 'w') && !allowed(&run, DeviceKind::Char, 10, 229, 'r'));
    let privileged = rules(r#"[{"allow":false,"access":"rwm"},{"allow":true,"access":"rwm"}]"#);
    assert!(allowed(&privileged, DeviceKind::Block, 8, 0, 'w'));
}

#[test]
fn device_rules_that_make_no_sense() {
    let refused = |rule: &str| resource_refusal(full_v2(), &format!(r#"{{"devices":[{rule}]}}"#));
    assert_eq!(refused(r#"{"allow":true}"#), "devices[0].access: \"\": not made of the letters r, w and m");
    assert_eq!(refused(r#"{"allow":true,"access":"x"}"#), "devices[0].access: \"x\": not made of the letters r, w and m");
    assert_eq!(refused(r#"{"allow":true,"type":"p","access":"r"}"#), "devices[0].type: p: a rule knows a, b and c only");
    assert_eq!(refused(r#"{"allow":true,"major":-2,"access":"r"}"#), "devices[0].major: -2: no device number");
    assert_eq!(rules(r#"[{"allow":true,"type":"c","major":1,"minor":-1,"access":"r"}]"#)[1].minor, None);
}
