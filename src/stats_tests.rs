//! The statistics against what runc prints.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;

fn stall(total: u64) -> Stall {
    Stall { total, ..Stall::default() }
}

/// runc 1.3 on version 2 without controllers: nothing but processor time, pressure and the number of processes.
#[test]
fn as_runc_prints_what_is_mostly_zero() {
    let pressure = |some, full| Some(Pressure { some: stall(some), full: stall(full) });
    let stats = Stats {
        cpu: Cpu { total: 12_796_000, kernel: 12_796_000, pressure: pressure(2999, 1403), ..Cpu::default() },
        memory: Memory { pressure: pressure(0, 0), ..Memory::default() },
        pids: Pids { current: 1, limit: 0 },
        io: Io { pressure: pressure(0, 0), ..Io::default() },
        hugetlb: ["1GB", "2MB"].map(|size| (size.to_owned(), Usage::default())).into(),
        ..Stats::default()
    };
    let golden = include_str!("../tests/fixtures/runc/events-stats.json");
    let text = serde_json::to_string(&View(&stats)).unwrap();
    assert_eq!(format!("{{\"type\":\"stats\",\"id\":\"one\",\"data\":{text}}}\n"), golden);
}

#[test]
fn what_is_there_is_written() {
    let usage = Usage { limit: 4, usage: 3, max: 2, failures: 1 };
    let device = |op: &str| vec![DeviceValue { major: 8, minor: 0, op: op.into(), value: 7 }];
    let stats = Stats {
        cpu: Cpu { per_cpu: vec![1, 0], periods: 5, throttled_periods: 6, throttled: 7, ..Cpu::default() },
        cpuset: Cpuset { cpus: vec![0, 1], mems: vec![0], sched_relax_domain_level: -1, ..Cpuset::default() },
        memory: Memory { cache: 9, kernel_tcp: usage, raw: [("anon".to_owned(), 0)].into(), ..Memory::default() },
        pids: Pids { current: 2, limit: 9 },
        io: Io { bytes: device("Read"), queued: device(""), ..Io::default() },
        hugetlb: [("2MB".to_owned(), usage)].into(),
    };
    let view = serde_json::to_value(View(&stats)).unwrap();
    assert_eq!(view["cpu"]["usage"]["percpu"], serde_json::json!([1, 0]));
    assert_eq!(view["cpu"]["throttling"], serde_json::json!({"periods": 5, "throttledPeriods": 6, "throttledTime": 7}));
    assert_eq!(view["cpuset"]["sched_relax_domain_level"], -1);
    assert_eq!(view["memory"]["kernelTCP"], serde_json::json!({"limit": 4, "usage": 3, "max": 2, "failcnt": 1}));
    assert_eq!(view["memory"]["raw"], serde_json::json!({"anon": 0}));
    assert_eq!(view["pids"], serde_json::json!({"current": 2, "limit": 9}));
    let read = serde_json::json!([{"major": 8, "op": "Read", "value": 7}]);
    let queued = serde_json::json!([{"major": 8, "value": 7}]);
    assert_eq!(view["blkio"], serde_json::json!({"ioServiceBytesRecursive": read, "ioQueueRecursive": queued}));
    assert_eq!(view["hugetlb"], serde_json::json!({"2MB": {"usage": 3, "max": 2, "failcnt": 1}}));
}

#[test]
fn shares_as_go_writes_them() {
    let text = |avg10| {
        let cpu = Cpu { pressure: Some(Pressure { some: Stall { avg10, ..stall(0) }, full: stall(0) }), ..Cpu::default() };
        serde_json::to_string(&View(&Stats { cpu, ..Stats::default() })).unwrap()
    };
    assert!(text(0.12).contains(r#""some":{"avg10":0.12,"avg60":0,"#));
    assert!(text(100.0).contains(r#""some":{"avg10":100,"avg60":0,"#));
}
