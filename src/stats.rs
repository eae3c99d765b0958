//! Statistics in the form of runc's `types/events.go`, key by key: what is zero is left out where runc leaves it out.
//! Each structure here says how one of the cgroup crate's is written.

use serde::{Serialize, Serializer};
use skiff_cgroup::Stats;
use skiff_cgroup::stats::{Cpu, Cpuset, DeviceValue, Io, Memory, Pids, Pressure, Stall, Usage};
use std::collections::BTreeMap;

#[derive(Serialize)]
pub(crate) struct View<'a>(#[serde(with = "StatsDef")] pub(crate) &'a Stats);

#[derive(Serialize)]
#[serde(remote = "Stats")]
struct StatsDef {
    #[serde(with = "CpuDef")]
    cpu: Cpu,
    #[serde(with = "CpusetDef")]
    cpuset: Cpuset,
    #[serde(with = "MemoryDef")]
    memory: Memory,
    #[serde(with = "PidsDef")]
    pids: Pids,
    #[serde(rename = "blkio", with = "IoDef")]
    io: Io,
    #[serde(serialize_with = "huge_pages")]
    hugetlb: BTreeMap<String, Usage>,
    /// skiff sets none of these limits.
    #[serde(getter = "empty")]
    intel_rdt: Empty,
    /// runc knows only of interfaces that it has made itself, and its command line has no way to ask for one.
    #[serde(getter = "none")]
    network_interfaces: Option<Empty>,
}

#[derive(Serialize)]
struct Empty {}

#[derive(Serialize)]
#[serde(remote = "Cpu")]
struct CpuDef {
    #[serde(getter = "itself", with = "CpuUsageDef")]
    usage: Cpu,
    #[serde(getter = "itself", with = "ThrottlingDef")]
    throttling: Cpu,
    #[serde(rename = "psi", serialize_with = "psi", skip_serializing_if = "Option::is_none")]
    pressure: Option<Pressure>,
}

#[derive(Serialize)]
#[serde(remote = "Cpu")]
struct CpuUsageDef {
    #[serde(skip_serializing_if = "zero")]
    total: u64,
    #[serde(rename = "percpu", skip_serializing_if = "Vec::is_empty")]
    per_cpu: Vec<u64>,
    #[serde(rename = "percpu_kernel", skip_serializing_if = "Vec::is_empty")]
    per_cpu_kernel: Vec<u64>,
    #[serde(rename = "percpu_user", skip_serializing_if = "Vec::is_empty")]
    per_cpu_user: Vec<u64>,
    kernel: u64,
    user: u64,
}

#[derive(Serialize)]
#[serde(remote = "Cpu")]
struct ThrottlingDef {
    #[serde(skip_serializing_if = "zero")]
    periods: u64,
    #[serde(rename = "throttledPeriods", skip_serializing_if = "zero")]
    throttled_periods: u64,
    #[serde(rename = "throttledTime", skip_serializing_if = "zero")]
    throttled: u64,
}

#[derive(Serialize)]
#[serde(remote = "Cpuset")]
struct CpusetDef {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cpus: Vec<u16>,
    cpu_exclusive: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mems: Vec<u16>,
    mem_hardwall: u64,
    mem_exclusive: u64,
    memory_migrate: u64,
    memory_spread_page: u64,
    memory_spread_slab: u64,
    memory_pressure: u64,
    sched_load_balance: u64,
    sched_relax_domain_level: i64,
}

#[derive(Serialize)]
#[serde(remote = "Memory")]
struct MemoryDef {
    #[serde(skip_serializing_if = "zero")]
    cache: u64,
    #[serde(with = "UsageDef")]
    usage: Usage,
    #[serde(with = "UsageDef")]
    swap: Usage,
    #[serde(with = "UsageDef")]
    kernel: Usage,
    #[serde(rename = "kernelTCP", with = "UsageDef")]
    kernel_tcp: Usage,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    raw: BTreeMap<String, u64>,
    #[serde(rename = "psi", serialize_with = "psi", skip_serializing_if = "Option::is_none")]
    pressure: Option<Pressure>,
}

#[derive(Serialize)]
#[serde(remote = "Usage")]
struct UsageDef {
    limit: u64,
    #[serde(skip_serializing_if = "zero")]
    usage: u64,
    #[serde(skip_serializing_if = "zero")]
    max: u64,
    #[serde(rename = "failcnt")]
    failures: u64,
}

#[derive(Serialize)]
#[serde(remote = "Pids")]
struct PidsDef {
    #[serde(skip_serializing_if = "zero")]
    current: u64,
    #[serde(skip_serializing_if = "zero")]
    limit: u64,
}

#[derive(Serialize)]
#[serde(remote = "Io")]
struct IoDef {
    #[serde(rename = "ioServiceBytesRecursive", serialize_with = "devices", skip_serializing_if = "Vec::is_empty")]
    bytes: Vec<DeviceValue>,
    #[serde(rename = "ioServicedRecursive", serialize_with = "devices", skip_serializing_if = "Vec::is_empty")]
    operations: Vec<DeviceValue>,
    #[serde(rename = "ioQueueRecursive", serialize_with = "devices", skip_serializing_if = "Vec::is_empty")]
    queued: Vec<DeviceValue>,
    #[serde(rename = "ioServiceTimeRecursive", serialize_with = "devices", skip_serializing_if = "Vec::is_empty")]
    service_time: Vec<DeviceValue>,
    #[serde(rename = "ioWaitTimeRecursive", serialize_with = "devices", skip_serializing_if = "Vec::is_empty")]
    wait_time: Vec<DeviceValue>,
    #[serde(rename = "ioMergedRecursive", serialize_with = "devices", skip_serializing_if = "Vec::is_empty")]
    merged: Vec<DeviceValue>,
    #[serde(rename = "ioTimeRecursive", serialize_with = "devices", skip_serializing_if = "Vec::is_empty")]
    time: Vec<DeviceValue>,
    #[serde(rename = "sectorsRecursive", serialize_with = "devices", skip_serializing_if = "Vec::is_empty")]
    sectors: Vec<DeviceValue>,
    #[serde(rename = "psi", serialize_with = "psi", skip_serializing_if = "Option::is_none")]
    pressure: Option<Pressure>,
}

#[derive(Serialize)]
#[serde(remote = "DeviceValue")]
struct DeviceDef {
    #[serde(skip_serializing_if = "zero")]
    major: u64,
    #[serde(skip_serializing_if = "zero")]
    minor: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    op: String,
    #[serde(skip_serializing_if = "zero")]
    value: u64,
}

#[derive(Serialize)]
#[serde(remote = "Usage")]
struct HugePagesDef {
    #[serde(skip_serializing_if = "zero")]
    usage: u64,
    #[serde(skip_serializing_if = "zero")]
    max: u64,
    #[serde(rename = "failcnt")]
    failures: u64,
}

#[derive(Serialize)]
#[serde(remote = "Pressure")]
struct PressureDef {
    #[serde(with = "StallDef")]
    some: Stall,
    #[serde(with = "StallDef")]
    full: Stall,
}

#[derive(Serialize)]
#[serde(remote = "Stall")]
struct StallDef {
    #[serde(serialize_with = "share")]
    avg10: f64,
    #[serde(serialize_with = "share")]
    avg60: f64,
    #[serde(serialize_with = "share")]
    avg300: f64,
    total: u64,
}

fn empty(_: &Stats) -> Empty {
    Empty {}
}

fn none(_: &Stats) -> Option<Empty> {
    None
}

fn itself(cpu: &Cpu) -> &Cpu {
    cpu
}

fn zero(value: &u64) -> bool {
    *value == 0
}

fn devices<S: Serializer>(values: &[DeviceValue], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct One<'a>(#[serde(with = "DeviceDef")] &'a DeviceValue);
    serializer.collect_seq(values.iter().map(One))
}

fn huge_pages<S: Serializer>(sizes: &BTreeMap<String, Usage>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct One<'a>(#[serde(with = "HugePagesDef")] &'a Usage);
    serializer.collect_map(sizes.iter().map(|(size, usage)| (size, One(usage))))
}

fn psi<S: Serializer>(pressure: &Option<Pressure>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct One<'a>(#[serde(with = "PressureDef")] &'a Pressure);
    pressure.as_ref().map(One).serialize(serializer)
}

/// Go writes a whole number without a point.
fn share<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.fract() == 0.0 { serializer.serialize_u64(*value as u64) } else { serializer.serialize_f64(*value) }
}

#[cfg(test)]
#[path = "stats_tests.rs"]
mod tests;
