//! What clients' updates come to.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::{base, update};
use crate::fixtures::Random;
use crate::resources::limits;
use crate::resources::writes::Writes;
use crate::{CgroupFacts, CgroupUpdate, Driver, Error, MemoryCheck, fixtures};
use oci_spec::runtime::LinuxResources;
use serde_json::{Value, json};

const SYSTEMD: Driver = Driver::Systemd { user: false };

fn resources(text: &str) -> LinuxResources {
    crate::read_resources(std::path::Path::new("r"), text.as_bytes()).unwrap()
}

fn run(facts: &CgroupFacts, driver: Driver, before: &str, change: &str) -> Result<CgroupUpdate, Error> {
    update(&base(&resources(before)), &resources(change), facts, driver)
}

fn v2(before: &str, change: &str) -> CgroupUpdate {
    run(&fixtures::facts().cgroup, SYSTEMD, before, change).unwrap()
}

fn written(update: &CgroupUpdate) -> Vec<String> {
    update.writes.iter().map(|write| format!("{}={}", write.file, write.value)).collect()
}

fn told(update: &CgroupUpdate) -> Vec<&str> {
    update.properties.iter().map(|property| property.name.as_str()).collect()
}

fn refused(before: &str, change: &str) -> String {
    run(&fixtures::facts().cgroup, Driver::Cgroupfs, before, change).unwrap_err().to_string()
}

#[test]
fn recorded_updates() {
    let docker = r#"{"memory":{"limit":134217728,"swap":268435456},"cpu":{"quota":40000,"period":100000},"pids":{"limit":55}}"#;
    let update = v2(r#"{"cpu":{"shares":512}}"#, docker);
    assert_eq!(written(&update), ["memory.max=134217728", "memory.swap.max=134217728", "pids.max=55", "cpu.max=40000 100000"]);
    assert_eq!(told(&update), ["MemoryMax", "MemorySwapMax", "TasksMax", "CPUQuotaPeriodUSec", "CPUQuotaPerSecUSec"]);
    let crio = r#"{"memory":{"limit":33554432,"swap":33554432},"cpu":{"quota":20000}}"#;
    let update = run(&fixtures::hybrid().cgroup, Driver::Cgroupfs, r#"{"cpu":{"period":50000}}"#, crio).unwrap();
    assert_eq!(
        written(&update),
        ["memory.limit_in_bytes=33554432", "memory.memsw.limit_in_bytes=33554432", "cpu.cfs_quota_us=20000"]
    );
    assert!(update.properties.is_empty());
    let kubernetes = r#"{"devices":[{"allow":false,"access":"rwm"}],"cpu":{"shares":102,"quota":20000,"period":100000}}"#;
    let update = v2("{}", kubernetes);
    assert_eq!((written(&update), update.devices), (vec!["cpu.weight=17".to_owned(), "cpu.max=20000 100000".to_owned()], None));
}

#[test]
fn what_is_not_named_stays() {
    let before = r#"{"memory":{"limit":100,"swap":200,"reservation":50},"cpu":{"shares":512,"quota":5000,"period":20000,"idle":0,"burst":3},
        "pids":{"limit":7},"blockIO":{"weight":500},"unified":{"memory.high":"90"}}"#;
    let nothing = r#"{"memory":{"limit":0,"swap":0,"kernel":5},"cpu":{"shares":0,"quota":0,"period":0,"cpus":""},"pids":{},"blockIO":{"weight":0}}"#;
    for change in ["{}", nothing, r#"{"pids":{"limit":0}}"#] {
        let update = v2(before, change);
        assert_eq!((written(&update), told(&update)), (vec![], vec![]), "{change}");
    }
    let one = |change| written(&v2(before, change));
    assert_eq!(one(r#"{"cpu":{"period":50000}}"#), ["cpu.max=5000 50000"]);
    assert_eq!(one(r#"{"cpu":{"quota":-1}}"#), ["cpu.max=max 20000"]);
    assert_eq!(one(r#"{"cpu":{"burst":9}}"#), ["cpu.max.burst=9"]);
    assert_eq!(one(r#"{"memory":{"swap":150}}"#), ["memory.swap.max=50"]);
    assert_eq!(one(r#"{"memory":{"limit":150}}"#), ["memory.max=150", "memory.swap.max=50"]);
    assert_eq!(one(r#"{"memory":{"limit":-1}}"#), ["memory.max=max", "memory.swap.max=max"]);
    assert_eq!(one(r#"{"memory":{"reservation":60}}"#), ["memory.low=60"]);
    assert_eq!(one(r#"{"pids":{"limit":-1}}"#), ["pids.max=max"]);
    assert_eq!(one(r#"{"blockIO":{"weight":10}}"#), ["io.bfq.weight=10"]);
    assert_eq!(written(&v2("{}", r#"{"cpu":{"period":50000}}"#)), ["cpu.max=max 50000"]);
    let v1 = run(
        &fixtures::hybrid().cgroup,
        Driver::Cgroupfs,
        before.split(",\"unified").next().map(|text| format!("{text}}}")).as_deref().unwrap(),
        r#"{"memory":{"swap":300},"cpu":{"period":1000}}"#,
    );
    assert_eq!(written(&v1.unwrap()), ["memory.memsw.limit_in_bytes=300", "cpu.cfs_period_us=1000"]);
}

#[test]
fn the_whole_is_judged() {
    let before = r#"{"memory":{"limit":100,"swap":200},"cpu":{"idle":1}}"#;
    let swap = "memory.swap counts memory and swap, so it cannot be less than memory.limit";
    assert_eq!(refused(before, r#"{"memory":{"limit":300}}"#), format!("resources: memory.swap: 200: {swap}"));
    assert_eq!(refused(before, r#"{"memory":{"swap":99}}"#), format!("resources: memory.swap: 99: {swap}"));
    assert_eq!(
        refused("{}", r#"{"memory":{"swap":99}}"#),
        "resources: memory.swap: 99: memory.swap needs memory.limit, since it counts both"
    );
    assert_eq!(
        refused(before, r#"{"cpu":{"shares":5}}"#),
        "resources: cpu.shares: 5: an idle cgroup (cpu.idle is 1) has no shares"
    );
    assert_eq!(
        refused("{}", r#"{"cpu":{"realtimeRuntime":5}}"#),
        "resources: cpu.realtimeRuntime: 5: cgroup version 2 has no realtime limits"
    );
    assert_eq!(
        refused("{}", r#"{"devices":[{"allow":true}]}"#),
        "resources: devices[0].access: \"\": not made of the letters r, w and m"
    );
    let bare = CgroupFacts::V2 { mount: "/m".into(), controllers: vec!["cpu".to_owned()], own: "x".into() };
    let error = run(&bare, Driver::Cgroupfs, before, r#"{"pids":{"limit":5}}"#).unwrap_err();
    assert_eq!(error.to_string(), "resources: pids.limit: 5: the pids controller is not available");
    // The controllers of what is not named are nobody's concern.
    assert!(run(&bare, Driver::Cgroupfs, before, r#"{"cpu":{"idle":0}}"#).is_ok());
    let error = update("[", &resources("{}"), &bare, Driver::Cgroupfs).unwrap_err().to_string();
    assert!(error.starts_with("resources: the container's record: holds no resources: "), "{error}");
}

#[test]
fn an_idle_cgroup_gives_its_shares_up() {
    let idle = v2(r#"{"cpu":{"shares":512}}"#, r#"{"cpu":{"idle":1}}"#);
    assert_eq!((written(&idle), told(&idle)), (vec!["cpu.idle=1".to_owned()], vec!["CPUWeight"]));
    assert_eq!(idle.base, r#"{"cpu":{"idle":1}}"#);
    let back = update(&idle.base, &resources(r#"{"cpu":{"idle":0,"shares":2048}}"#), &fixtures::facts().cgroup, SYSTEMD).unwrap();
    assert_eq!(written(&back), ["cpu.idle=0", "cpu.weight=174"]);
}

#[test]
fn devices_are_replaced_as_a_whole() {
    let bare = r#"{"devices":[{"allow":false,"access":"rwm"},{"allow":false,"type":"a","access":"m"}]}"#;
    assert_eq!(v2("{}", bare).devices, None);
    let change = r#"{"devices":[{"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":10,"minor":229,"access":"rw"}]}"#;
    let update = v2(r#"{"devices":[{"allow":true,"access":"rwm"}]}"#, change);
    let created = crate::resources::devices::rules(Some(&resources(change))).unwrap();
    assert_eq!(update.devices, Some(created));
    assert_eq!(told(&update), ["DevicePolicy", "DeviceAllow", "DeviceAllow"]);
    assert_eq!(update.base, "{}");
    let user = run(&fixtures::facts().cgroup, Driver::Systemd { user: true }, "{}", change).unwrap();
    assert!(told(&user).is_empty() && user.devices.is_some());
}

#[test]
fn a_limit_is_checked_against_what_is_in_use() {
    let check = |before, change| v2(before, change).memory_check;
    assert_eq!(check("{}", r#"{"memory":{"limit":5}}"#), None);
    assert_eq!(check("{}", r#"{"memory":{"limit":5,"checkBeforeUpdate":true}}"#), Some(MemoryCheck { limit: 5, total: None }));
    let before = r#"{"memory":{"limit":5,"swap":9,"checkBeforeUpdate":true}}"#;
    assert_eq!(check(before, r#"{"memory":{"limit":7}}"#), Some(MemoryCheck { limit: 7, total: Some(9) }));
    assert_eq!(check(before, r#"{"memory":{"limit":-1}}"#), None);
    assert_eq!(check(before, r#"{"memory":{"reservation":1}}"#), None);
    assert_eq!(check(before, r#"{"memory":{"limit":7,"checkBeforeUpdate":false}}"#), None);
}

#[test]
fn entries_of_lists_are_kept_by_what_they_speak_of() {
    let before = r#"{"hugepageLimits":[{"pageSize":"2MB","limit":1},{"pageSize":"1GB","limit":2}],
        "blockIO":{"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":1}]},"unified":{"memory.high":"1","pids.max":"9","memory.low":"2"}}"#;
    let change = r#"{"hugepageLimits":[{"pageSize":"1GB","limit":3}],"blockIO":{"throttleReadBpsDevice":[{"major":8,"minor":16,"rate":2}]},
        "unified":{"memory.high":"5"},"pids":{"limit":4}}"#;
    let update = v2(before, change);
    let expected = ["pids.max=4", "io.max=8:16 rbps=2", "hugetlb.1GB.max=3", "hugetlb.1GB.rsvd.max=3", "memory.high=5"];
    assert_eq!(written(&update), expected);
    assert_eq!(told(&update), ["TasksMax", "IOReadBandwidthMax", "MemoryHigh"]);
    let merged = json!({
        "hugepageLimits": [{"pageSize": "2MB", "limit": 1}, {"pageSize": "1GB", "limit": 3}],
        "blockIO": {"throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 1}, {"major": 8, "minor": 16, "rate": 2}]},
        // What a field says now does not hold as a file any more.
        "unified": {"memory.high": "5", "memory.low": "2"},
        "pids": {"limit": 4},
    });
    assert_eq!(serde_json::from_str::<Value>(&update.base).unwrap(), merged);
}

/// A few fields with a few values.
fn some(random: &mut Random) -> Value {
    let mut all = json!({"memory": {}, "cpu": {}});
    let mut put = |block: &str, field: &str, value: i64| all[block][field] = value.into();
    for (block, field, values) in [
        ("memory", "limit", [-1, 100, 200]),
        ("memory", "swap", [-1, 200, 300]),
        ("memory", "reservation", [-1, 10, 20]),
        ("cpu", "shares", [2, 512, 1024]),
        ("cpu", "quota", [-1, 1000, 2000]),
        ("cpu", "period", [1000, 2000, 100_000]),
        ("cpu", "burst", [0, 5, 6]),
        ("cpu", "idle", [0, 0, 1]),
    ] {
        if random.below(2) == 0 {
            put(block, field, random.one_of(&values));
        }
    }
    all
}

/// An update leaves every file that it writes as a create of the whole would have made it, and names no other.
#[test]
fn an_update_is_a_create_of_the_whole() {
    let mut random = Random(0xcafe);
    let mut done = 0;
    for round in 0..3000 {
        let facts = if round % 2 == 0 { fixtures::facts().cgroup } else { fixtures::hybrid().cgroup };
        let (before, change) = (some(&mut random).to_string(), some(&mut random).to_string());
        let Ok(update) = run(&facts, Driver::Cgroupfs, &before, &change) else { continue };
        let mut writes = Writes::new(Some(&facts));
        limits::convert(&resources(&update.base), &mut writes).unwrap();
        let create = writes.done();
        assert!(update.writes.iter().all(|write| create.contains(write)), "{before} {change} {update:#?}");
        let change: Value = serde_json::from_str(&change).unwrap();
        let named = |field: &str| change.pointer(&super::pointer(field)).is_some();
        for write in create.iter().filter(|write| named(write.field)) {
            assert!(update.writes.contains(write), "{before} {change} {write:?}");
        }
        done += 1;
    }
    assert!(done > 500, "{done}");
}
