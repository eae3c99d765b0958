//! Conversions on ranges of values, and each resource on both versions.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::cpu::{SHARES, weight_of_shares};
use super::io::io_weight;
use super::{convert, cpuset};
use crate::fixtures::Random;
use crate::resources::writes::Writes;
use crate::{CgroupFacts, Variant, fixtures};
use oci_spec::runtime::LinuxResources;

/// The writes that `resources` becomes, as `file=value`, with `|file=value` for a fallback and `?` for a file that may
/// be missing; or the error without the part that all have.
fn written(facts: &CgroupFacts, resources: &str) -> Result<Vec<String>, String> {
    let resources: LinuxResources = serde_json::from_str(resources).unwrap();
    let mut writes = Writes::new(Some(facts));
    convert(&resources, &mut writes).map_err(|error| error.to_string().replace("config.json: linux.resources.", ""))?;
    let text = |write: crate::CgroupWrite| {
        let fallback = write.fallback.map(|(file, value)| format!("|{file}={value}")).unwrap_or_default();
        format!("{}={}{fallback}{}", write.file, write.value, if write.optional { "?" } else { "" })
    };
    Ok(writes.done().into_iter().map(text).collect())
}

fn v2(resources: &str) -> Vec<String> {
    written(&fixtures::facts().cgroup, resources).unwrap()
}

fn v1(resources: &str) -> Vec<String> {
    written(&fixtures::hybrid().cgroup, resources).unwrap()
}

fn refused(resources: &str) -> [String; 2] {
    [fixtures::hybrid(), fixtures::facts()].map(|facts| written(&facts.cgroup, resources).unwrap_err())
}

#[test]
fn cpu_weights_rise_with_the_shares() {
    for (shares, weight) in [(0, 1), (2, 1), (1024, 100), (262_144, 10_000), (u64::MAX, 10_000)] {
        assert_eq!(weight_of_shares(shares), weight, "{shares}");
    }
    let all: Vec<u64> = SHARES.map(weight_of_shares).collect();
    assert!(all.is_sorted());
    assert!(all.iter().all(|weight| (1..=10_000).contains(weight)));
}

#[test]
fn io_weights_rise_from_end_to_end() {
    assert_eq!((io_weight(10), io_weight(100), io_weight(1000)), (1, 910, 10_000));
    let all: Vec<u64> = (10..=1000).map(io_weight).collect();
    assert!(all.is_sorted_by(|one, next| one < next));
}

#[test]
fn swap_is_what_is_more_than_memory() {
    let mut random = Random(0x5eed);
    for _ in 0..500 {
        let (limit, swap) = (1 + random.below(1 << 40), 1 + random.below(1 << 40));
        let resources = format!(r#"{{"memory":{{"limit":{limit},"swap":{swap}}}}}"#);
        let found = written(&fixtures::facts().cgroup, &resources);
        match swap.checked_sub(limit) {
            None => assert!(found.unwrap_err().starts_with(&format!("memory.swap: {swap}: ")), "{resources}"),
            Some(more) => {
                let optional = if more == 0 { "?" } else { "" };
                assert_eq!(found.unwrap(), [format!("memory.max={limit}"), format!("memory.swap.max={more}{optional}")]);
                assert_eq!(v1(&resources).last(), Some(&format!("memory.memsw.limit_in_bytes={swap}")));
            }
        }
    }
}

#[test]
fn block_io_weights() {
    let weight = r#"{"blockIO":{"weight":500}}"#;
    assert_eq!(v2(weight), ["io.bfq.weight=500|io.weight=4950"]);
    assert_eq!(v1(weight), ["blkio.weight=500|blkio.bfq.weight=500"]);
    let device = r#"{"blockIO":{"weightDevice":[{"major":8,"minor":16,"weight":1000}]}}"#;
    assert_eq!(v2(device), ["io.bfq.weight=8:16 1000|io.weight=8:16 10000"]);
    assert_eq!(v1(device), ["blkio.weight_device=8:16 1000|blkio.bfq.weight_device=8:16 1000"]);
    let leaf = r#"{"blockIO":{"leafWeight":300,"weightDevice":[{"major":8,"minor":0,"leafWeight":10}]}}"#;
    assert_eq!(v1(leaf), ["blkio.leaf_weight=300", "blkio.leaf_weight_device=8:0 10"]);
    let error = written(&fixtures::facts().cgroup, leaf).unwrap_err();
    assert_eq!(error, "blockIO.leafWeight: 300: cgroup version 2 has no leaf weights");
    for wrong in [9, 1001] {
        let weight = refused(&format!(r#"{{"blockIO":{{"weight":{wrong}}}}}"#));
        assert_eq!(weight, [(); 2].map(|()| format!("blockIO.weight: {wrong}: not within 10 and 1000")));
    }
}

#[test]
fn block_io_rates() {
    let rates = r#"{"blockIO":{"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":1024}],
        "throttleWriteBpsDevice":[{"major":8,"minor":0,"rate":0}],"throttleReadIOPSDevice":[{"major":8,"minor":16,"rate":18446744073709551615}],
        "throttleWriteIOPSDevice":[{"major":8,"minor":0,"rate":7},{"major":8,"minor":16,"rate":8}]}}"#;
    let io_max = ["8:0 rbps=1024", "8:0 wbps=max?", "8:16 riops=18446744073709551615", "8:0 wiops=7", "8:16 wiops=8"];
    assert_eq!(v2(rates), io_max.map(|value| format!("io.max={value}")));
    let throttle = [
        "read_bps_device=8:0 1024",
        "write_bps_device=8:0 0?",
        "read_iops_device=8:16 18446744073709551615",
        "write_iops_device=8:0 7",
        "write_iops_device=8:16 8",
    ];
    assert_eq!(v1(rates), throttle.map(|value| format!("blkio.throttle.{value}")));
    let device = r#"{"blockIO":{"throttleReadBpsDevice":[{"major":-1,"minor":0,"rate":1}]}}"#;
    assert_eq!(refused(device), [(); 2].map(|()| "blockIO.throttleReadBpsDevice: -1:0: no device number"));
}

#[test]
fn huge_pages() {
    let limits = r#"{"hugepageLimits":[{"pageSize":"2MB","limit":209715200},{"pageSize":"1GB","limit":0}]}"#;
    let expected = ["2MB.max=209715200", "2MB.rsvd.max=209715200?", "1GB.max=0", "1GB.rsvd.max=0?"];
    assert_eq!(v2(limits), expected.map(|write| format!("hugetlb.{write}")));
    let expected = [
        "2MB.limit_in_bytes=209715200",
        "2MB.rsvd.limit_in_bytes=209715200?",
        "1GB.limit_in_bytes=0",
        "1GB.rsvd.limit_in_bytes=0?",
    ];
    assert_eq!(v1(limits), expected.map(|write| format!("hugetlb.{write}")));
    for size in ["", "MB", "2", "2mb", "2MBB", "2KMB", "../2MB", "2MB/x", "2MB\\u0000"] {
        let found = refused(&format!(r#"{{"hugepageLimits":[{{"pageSize":"{size}","limit":1}}]}}"#));
        assert!(found[1].ends_with("not of the form 64KB, 2MB, 1GB"), "{size}: {}", found[1]);
    }
}

#[test]
fn rdma_devices() {
    let devices = r#"{"rdma":{"mlx5_1":{"hcaHandles":3,"hcaObjects":10000},"mlx4_0":{"hcaObjects":1000}}}"#;
    assert_eq!(v2(devices), ["rdma.max=mlx4_0 hca_object=1000", "rdma.max=mlx5_1 hca_handle=3 hca_object=10000"]);
    let error = written(&fixtures::hybrid().cgroup, devices).unwrap_err();
    assert_eq!(error, "rdma: mlx4_0 hca_object=1000: the rdma controller is not available");
    assert_eq!(refused(r#"{"rdma":{"mlx5_1":{}}}"#)[1], "rdma: mlx5_1: neither hcaHandles nor hcaObjects");
    assert_eq!(refused(r#"{"rdma":{"a b":{"hcaHandles":3}}}"#)[1], "rdma: \"a b\": no name of a device");
}

#[test]
fn network_classes() {
    let network = r#"{"network":{"classID":1048577,"priorities":[{"name":"eth0","priority":500},{"name":"lo","priority":0}]}}"#;
    assert_eq!(v1(network), ["net_cls.classid=1048577", "net_prio.ifpriomap=eth0 500", "net_prio.ifpriomap=lo 0"]);
    let error = written(&fixtures::facts().cgroup, network).unwrap_err();
    assert_eq!(error, "network.classID: 1048577: cgroup version 2 has no network classes and priorities");
    let name = r#"{"network":{"priorities":[{"name":"a b","priority":1}]}}"#;
    assert_eq!(refused(name), [(); 2].map(|()| r#"network.priorities: "a b": no name of a network interface"#));
}

#[test]
fn the_unified_map() {
    let files = r#"{"memory":{"limit":5},"unified":{"memory.high":" 1073741824\n","io.max":"259:0 rbps=1\n 253:0 wiops=2",
        "cpuset.cpus":"","cgroup.max.depth":"3","hugetlb.1GB.max":"0"}}"#;
    let expected = [
        "memory.max=5",
        "cgroup.max.depth=3",
        "cpuset.cpus=\n",
        "hugetlb.1GB.max=0",
        "io.max=259:0 rbps=1",
        "io.max=253:0 wiops=2",
        "memory.high=1073741824",
    ];
    assert_eq!(v2(files), expected);
    let idle = r#"{"cpu":{"shares":512},"unified":{"cpu.idle":"1"}}"#;
    assert_eq!(v2(idle), ["cpu.idle=1"], "which has no weight");
    let error = written(&fixtures::hybrid().cgroup, r#"{"unified":{"memory.high":"1"}}"#).unwrap_err();
    assert_eq!(error, "unified: memory.high: cgroup version 1 has no such files");
}

#[test]
fn names_that_are_no_files_of_a_controller() {
    let refused = |file: &str| {
        let text = written(&fixtures::facts().cgroup, &format!(r#"{{"unified":{{"{file}":"1"}}}}"#)).unwrap_err();
        text.replace(&format!("unified: \"{file}\": "), "")
    };
    for file in ["../memory.high", "/memory.high", "a/b.c"] {
        assert_eq!(refused(file), "must be a file name, without a slash");
    }
    for file in ["", ".", "..", "memory", ".high", "memory."] {
        assert_eq!(refused(file), "must be of the form CONTROLLER.PARAMETER", "{file}");
    }
    assert_eq!(refused("cgroup.procs"), "belongs to the runtime");
    assert_eq!(refused("misc.max"), "unified: misc.max = 1: the misc controller is not available");
}

#[test]
fn masks_of_sets() {
    let bytes = |list| match cpuset::mask("f", list).unwrap() {
        Variant::Array(_, bytes) => bytes.into_iter().map(|byte| if let Variant::Byte(byte) = byte { byte } else { 0 }).collect(),
        other => panic!("{other:?}"),
    };
    let table: [(&str, &[u8]); 5] = [("0", &[1]), ("0-3,7", &[0x8f]), ("9", &[0, 2]), ("15,1-2", &[6, 0x80]), (" 0 , 1 ", &[3])];
    for (list, expected) in table {
        let found: Vec<u8> = bytes(list);
        assert_eq!(found, expected, "{list}");
    }
    for list in ["", "x", "3-1", "1-", "-1", "0-99999999", "0-3:1/2"] {
        let text = cpuset::mask("f", list).unwrap_err().to_string();
        assert_eq!(text, format!("config.json: f: {list}: no list of numbers and ranges as 0-3,7, which systemd needs"));
    }
}
