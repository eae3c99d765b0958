//! Memory, pids, cpu and cpuset limits as the values of their files. The specification speaks of version 1; the
//! conversions to version 2 are runc's, since clients count on them.

use super::writes::{Value, Writes};
use crate::Error;
use oci_spec::runtime::{LinuxCpu, LinuxMemory, LinuxPids, LinuxResources};

/// Kernel default, microseconds (`Documentation/admin-guide/cgroup-v2.rst`, cpu.max).
const DEFAULT_PERIOD: u64 = 100_000;
/// Bounds of `cpu.shares`, kernel/sched/sched.h.
const SHARES: std::ops::RangeInclusive<u64> = 2..=262_144;

const MEMORY: &str = "linux.resources.memory.limit";
const SWAP: &str = "linux.resources.memory.swap";
const RESERVATION: &str = "linux.resources.memory.reservation";
const SWAPPINESS: &str = "linux.resources.memory.swappiness";
const NO_OOM_KILLER: &str = "linux.resources.memory.disableOOMKiller";
const PIDS: &str = "linux.resources.pids.limit";
const SHARES_FIELD: &str = "linux.resources.cpu.shares";
const QUOTA: &str = "linux.resources.cpu.quota";
const PERIOD: &str = "linux.resources.cpu.period";
const BURST: &str = "linux.resources.cpu.burst";
const IDLE: &str = "linux.resources.cpu.idle";
const RT_RUNTIME: &str = "linux.resources.cpu.realtimeRuntime";
const RT_PERIOD: &str = "linux.resources.cpu.realtimePeriod";
const CPUS: &str = "linux.resources.cpu.cpus";
const MEMS: &str = "linux.resources.cpu.mems";

/// Every limit that `resources` asks for.
pub(super) fn convert(resources: &LinuxResources, writes: &mut Writes<'_>) -> Result<(), Error> {
    if let Some(memory) = resources.memory() {
        memory_limits(memory, writes)?;
    }
    if let Some(pids) = resources.pids() {
        pids_limit(pids, writes)?;
    }
    if let Some(cpu) = resources.cpu() {
        cpusets(cpu, writes)?;
        cpu_time(cpu, writes)?;
    }
    Ok(())
}

/// A byte count of the specification: 0 asks for nothing, -1 for no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bytes {
    Unlimited,
    Limit(u64),
}

impl Bytes {
    fn read(field: &str, value: Option<i64>) -> Result<Option<Bytes>, Error> {
        match value {
            None | Some(0) => Ok(None),
            Some(-1) => Ok(Some(Bytes::Unlimited)),
            Some(value) => match u64::try_from(value) {
                Ok(bytes) => Ok(Some(Bytes::Limit(bytes))),
                Err(_) => Err(Error::invalid(field, format!("{value}: neither a size nor -1 for unlimited"))),
            },
        }
    }

    /// As the files of the version spell it.
    fn text(self, v1: bool) -> String {
        match self {
            Bytes::Limit(bytes) => bytes.to_string(),
            Bytes::Unlimited => if v1 { "-1" } else { "max" }.to_owned(),
        }
    }

    /// As config.json spells it.
    fn asked(self) -> String {
        self.text(true)
    }
}

/// `kernel`, `kernelTCP` and `useHierarchy` are ignored on both versions, as runc does: the kernel gave up the first
/// two in 5.4 and 6.x, and every hierarchy is hierarchical.
fn memory_limits(memory: &LinuxMemory, writes: &mut Writes<'_>) -> Result<(), Error> {
    let v1 = writes.v1();
    let limit = Bytes::read(MEMORY, memory.limit())?;
    let swap = Bytes::read(SWAP, memory.swap())?;
    let reservation = Bytes::read(RESERVATION, memory.reservation())?;
    let mut push = |field, file, value: Bytes, asked: Bytes| {
        let unlimited = value == Bytes::Unlimited || (!v1 && value == Bytes::Limit(0));
        writes.push(Value { controller: "memory", file, value: value.text(v1), asked: (field, asked.asked()), unlimited })
    };
    if let Some(limit) = limit {
        push(MEMORY, if v1 { "memory.limit_in_bytes" } else { "memory.max" }, limit, limit)?;
    }
    if let Some((value, asked)) = swap_limit(limit, swap, v1)? {
        push(SWAP, if v1 { "memory.memsw.limit_in_bytes" } else { "memory.swap.max" }, value, asked)?;
    }
    if let Some(reservation) = reservation {
        push(RESERVATION, if v1 { "memory.soft_limit_in_bytes" } else { "memory.low" }, reservation, reservation)?;
    }
    if v1 { memory_v1_only(memory, writes) } else { Ok(()) }
}

/// The specification's swap is memory plus swap; version 2 limits swap alone. Returns the file's value and what was
/// asked for. A swap limit of 0 counts as unlimited in the sense that a kernel without swap accounting may lack the
/// file, as runc has it.
fn swap_limit(limit: Option<Bytes>, swap: Option<Bytes>, v1: bool) -> Result<Option<(Bytes, Bytes)>, Error> {
    let invalid = |swap: u64, why| Err(Error::invalid(SWAP, format!("{swap}: {why}")));
    match (limit, swap) {
        // Unlimited memory and nothing said of swap: both unlimited, as on version 1.
        (Some(Bytes::Unlimited), None) => Ok(Some((Bytes::Unlimited, Bytes::Unlimited))),
        (_, None) => Ok(None),
        (_, Some(Bytes::Unlimited)) => Ok(Some((Bytes::Unlimited, Bytes::Unlimited))),
        (Some(Bytes::Unlimited), Some(swap)) => Ok(Some((swap, swap))),
        (None, Some(Bytes::Limit(swap))) => invalid(swap, "memory.swap needs memory.limit, since it counts both"),
        (Some(Bytes::Limit(limit)), Some(Bytes::Limit(swap))) => {
            if swap < limit {
                return invalid(swap, "memory.swap counts memory and swap, so it cannot be less than memory.limit");
            }
            let value = if v1 { swap } else { swap - limit };
            Ok(Some((Bytes::Limit(value), Bytes::Limit(swap))))
        }
    }
}

fn memory_v1_only(memory: &LinuxMemory, writes: &mut Writes<'_>) -> Result<(), Error> {
    if let Some(swappiness) = memory.swappiness() {
        if swappiness > 100 {
            return Err(Error::invalid(SWAPPINESS, format!("{swappiness}: not within 0 and 100")));
        }
        number(writes, "memory", "memory.swappiness", SWAPPINESS, swappiness, false)?;
    }
    if memory.disable_oom_killer() == Some(true) {
        let asked = (NO_OOM_KILLER, "true".to_owned());
        writes.push(Value { controller: "memory", file: "memory.oom_control", value: "1".into(), asked, unlimited: false })?;
    }
    Ok(())
}

/// 0 leaves the file alone: `"pids": {}` reads as 0 too, and runc, but for its newest releases, takes 0 for "not set". A new cgroup has
/// no limit, so 0 means none.
fn pids_limit(pids: &LinuxPids, writes: &mut Writes<'_>) -> Result<(), Error> {
    let (value, unlimited) = match pids.limit() {
        0 => return Ok(()),
        limit if limit < 0 => ("max".to_owned(), true),
        limit => (limit.to_string(), false),
    };
    writes.push(Value { controller: "pids", file: "pids.max", value, asked: (PIDS, pids.limit().to_string()), unlimited })
}

fn cpusets(cpu: &LinuxCpu, writes: &mut Writes<'_>) -> Result<(), Error> {
    for (field, file, list) in [(CPUS, "cpuset.cpus", cpu.cpus()), (MEMS, "cpuset.mems", cpu.mems())] {
        if let Some(list) = list.as_ref().filter(|list| !list.is_empty()) {
            let asked = (field, list.clone());
            writes.push(Value { controller: "cpuset", file, value: list.clone(), asked, unlimited: false })?;
        }
    }
    Ok(())
}

fn cpu_time(cpu: &LinuxCpu, writes: &mut Writes<'_>) -> Result<(), Error> {
    if let Some(idle) = cpu.idle() {
        let idle = u64::try_from(idle).ok().filter(|idle| *idle <= 1);
        let idle = idle.ok_or_else(|| Error::invalid(IDLE, format!("{}: neither 0 nor 1", cpu.idle().unwrap_or(0))))?;
        number(writes, "cpu", "cpu.idle", IDLE, idle, idle == 0)?;
    }
    cpu_shares(cpu, writes)?;
    if writes.v1() { cpu_bandwidth_v1(cpu, writes) } else { cpu_bandwidth_v2(cpu, writes) }
}

fn cpu_shares(cpu: &LinuxCpu, writes: &mut Writes<'_>) -> Result<(), Error> {
    let Some(shares) = cpu.shares().filter(|shares| *shares != 0) else { return Ok(()) };
    if cpu.idle() == Some(1) {
        // The kernel answers EINVAL to a weight of an idle group (kernel/sched/fair.c, sched_group_set_shares).
        return Err(Error::invalid(SHARES_FIELD, format!("{shares}: an idle cgroup (cpu.idle is 1) has no shares")));
    }
    if !writes.v1() {
        let asked = (SHARES_FIELD, shares.to_string());
        let value = weight_of_shares(shares).to_string();
        return writes.push(Value { controller: "cpu", file: "cpu.weight", value, asked, unlimited: false });
    }
    if !SHARES.contains(&shares) {
        // The kernel would clamp it without a word.
        return Err(Error::invalid(SHARES_FIELD, format!("{shares}: not within {} and {}", SHARES.start(), SHARES.end())));
    }
    number(writes, "cpu", "cpu.shares", SHARES_FIELD, shares, false)
}

/// `cpu.shares` (2 to 262144) as `cpu.weight` (1 to 10000): the curve that runc, crun and Kubernetes agreed on in
/// 2025, through (2, 1), (1024, 100) and (262144, 10000).
fn weight_of_shares(shares: u64) -> u64 {
    if shares <= *SHARES.start() {
        return 1;
    }
    if shares >= *SHARES.end() {
        return 10_000;
    }
    let log = (shares as f64).log2();
    let exponent = (log * log + 125.0 * log) / 612.0 - 7.0 / 34.0;
    10f64.powf(exponent).ceil() as u64
}

/// The burst stands before the quota that it may not exceed, or after it: crates/cgroup repeats what the kernel finds
/// invalid once the rest is written. The same holds for the period.
fn cpu_bandwidth_v1(cpu: &LinuxCpu, writes: &mut Writes<'_>) -> Result<(), Error> {
    let quota = cpu.quota().filter(|quota| *quota != 0);
    let limited = quota.is_some_and(|quota| quota > 0);
    if let Some(burst) = cpu.burst() {
        number(writes, "cpu", "cpu.cfs_burst_us", BURST, burst, burst == 0)?;
    }
    if let Some(period) = cpu.period().filter(|period| *period != 0) {
        number(writes, "cpu", "cpu.cfs_period_us", PERIOD, period, !limited)?;
    }
    if let Some(quota) = quota {
        let value = quota.max(-1).to_string();
        let asked = (QUOTA, quota.to_string());
        writes.push(Value { controller: "cpu", file: "cpu.cfs_quota_us", value, asked, unlimited: !limited })?;
    }
    if let Some(period) = cpu.realtime_period().filter(|period| *period != 0) {
        number(writes, "cpu", "cpu.rt_period_us", RT_PERIOD, period, false)?;
    }
    match cpu.realtime_runtime().filter(|runtime| *runtime != 0) {
        Some(runtime) => {
            let asked = (RT_RUNTIME, runtime.to_string());
            writes.push(Value {
                controller: "cpu",
                file: "cpu.rt_runtime_us",
                value: runtime.to_string(),
                asked,
                unlimited: false,
            })
        }
        None => Ok(()),
    }
}

fn cpu_bandwidth_v2(cpu: &LinuxCpu, writes: &mut Writes<'_>) -> Result<(), Error> {
    refuse_realtime(cpu)?;
    if let Some(burst) = cpu.burst() {
        number(writes, "cpu", "cpu.max.burst", BURST, burst, burst == 0)?;
    }
    let quota = cpu.quota().filter(|quota| *quota != 0);
    let period = cpu.period().filter(|period| *period != 0);
    let (field, asked) = match (quota, period) {
        (Some(quota), _) => (QUOTA, quota.to_string()),
        (None, Some(period)) => (PERIOD, period.to_string()),
        (None, None) => return Ok(()),
    };
    let limit = quota.filter(|quota| *quota > 0);
    let max = limit.map_or_else(|| "max".to_owned(), |quota| quota.to_string());
    let value = format!("{max} {}", period.unwrap_or(DEFAULT_PERIOD));
    writes.push(Value { controller: "cpu", file: "cpu.max", value, asked: (field, asked), unlimited: limit.is_none() })
}

fn refuse_realtime(cpu: &LinuxCpu) -> Result<(), Error> {
    let runtime = cpu.realtime_runtime().filter(|runtime| *runtime != 0).map(|runtime| (RT_RUNTIME, runtime.to_string()));
    let period = cpu.realtime_period().filter(|period| *period != 0).map(|period| (RT_PERIOD, period.to_string()));
    match runtime.or(period) {
        Some((field, asked)) => Err(Error::invalid(field, format!("{asked}: cgroup version 2 has no realtime limits"))),
        None => Ok(()),
    }
}

/// A field whose number goes into the file as it is.
fn number(
    writes: &mut Writes<'_>,
    controller: &'static str,
    file: &'static str,
    field: &'static str,
    value: u64,
    unlimited: bool,
) -> Result<(), Error> {
    writes.push(Value { controller, file, value: value.to_string(), asked: (field, value.to_string()), unlimited })
}
