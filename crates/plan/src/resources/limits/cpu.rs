//! `linux.resources.cpu`, but for the sets.

use super::INFINITY;
use crate::Error;
use crate::resources::properties::Properties;
use crate::resources::writes::{Value, Writes};
use oci_spec::runtime::LinuxCpu;

/// Kernel default, microseconds (`Documentation/admin-guide/cgroup-v2.rst`, cpu.max).
pub(super) const DEFAULT_PERIOD: u64 = 100_000;
/// Bounds of `cpu.shares`, kernel/sched/sched.h.
pub(super) const SHARES: std::ops::RangeInclusive<u64> = 2..=262_144;

pub(in crate::resources) const SHARES_FIELD: &str = "linux.resources.cpu.shares";
pub(in crate::resources) const QUOTA: &str = "linux.resources.cpu.quota";
pub(in crate::resources) const PERIOD: &str = "linux.resources.cpu.period";
const BURST: &str = "linux.resources.cpu.burst";
const IDLE: &str = "linux.resources.cpu.idle";
const RT_RUNTIME: &str = "linux.resources.cpu.realtimeRuntime";
const RT_PERIOD: &str = "linux.resources.cpu.realtimePeriod";

pub(super) fn convert(cpu: &LinuxCpu, writes: &mut Writes<'_>) -> Result<(), Error> {
    if let Some(idle) = cpu.idle() {
        let idle = u64::try_from(idle).ok().filter(|idle| *idle <= 1);
        let idle = idle.ok_or_else(|| Error::invalid(IDLE, format!("{}: neither 0 nor 1", cpu.idle().unwrap_or(0))))?;
        writes.push(Value::number("cpu", "cpu.idle", idle, IDLE).unlimited(idle == 0))?;
    }
    shares(cpu, writes)?;
    check_burst(cpu)?;
    if writes.v1() { bandwidth_v1(cpu, writes) } else { bandwidth_v2(cpu, writes) }
}

/// What is not 0, which asks for nothing.
fn set<T: Default + PartialEq>(value: Option<T>) -> Option<T> {
    value.filter(|value| *value != T::default())
}

fn shares(cpu: &LinuxCpu, writes: &mut Writes<'_>) -> Result<(), Error> {
    let Some(shares) = set(cpu.shares()) else { return Ok(()) };
    if cpu.idle() == Some(1) {
        // The kernel answers EINVAL to a weight of an idle group (kernel/sched/fair.c, sched_group_set_shares).
        return Err(Error::invalid(SHARES_FIELD, format!("{shares}: an idle cgroup (cpu.idle is 1) has no shares")));
    }
    if !writes.v1() {
        let value = weight_of_shares(shares).to_string();
        return writes.push(Value::new("cpu", "cpu.weight", value, (SHARES_FIELD, shares.to_string())));
    }
    if !SHARES.contains(&shares) {
        // The kernel would clamp it without a word.
        return Err(Error::invalid(SHARES_FIELD, format!("{shares}: not within {} and {}", SHARES.start(), SHARES.end())));
    }
    writes.push(Value::number("cpu", "cpu.shares", shares, SHARES_FIELD))
}

/// `cpu.shares` (2 to 262144) as `cpu.weight` (1 to 10000): the curve that runc, crun and Kubernetes agreed on in
/// 2025, through (2, 1), (1024, 100) and (262144, 10000).
pub(super) fn weight_of_shares(shares: u64) -> u64 {
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

/// The kernel would refuse one of the two, in whatever order (kernel/sched/core.c, tg_set_cfs_bandwidth).
fn check_burst(cpu: &LinuxCpu) -> Result<(), Error> {
    let quota = set(cpu.quota()).and_then(|quota| u64::try_from(quota).ok());
    match cpu.burst().zip(quota) {
        Some((burst, quota)) if burst > quota => {
            Err(Error::invalid(BURST, format!("{burst}: more than the quota, which is {quota}")))
        }
        _ => Ok(()),
    }
}

/// The burst stands before the quota that it may not exceed, or after it: crates/cgroup repeats what the kernel finds
/// invalid once the rest is written. The same holds for the period.
fn bandwidth_v1(cpu: &LinuxCpu, writes: &mut Writes<'_>) -> Result<(), Error> {
    let quota = set(cpu.quota());
    let limited = quota.is_some_and(|quota| quota > 0);
    if let Some(burst) = cpu.burst() {
        writes.push(Value::number("cpu", "cpu.cfs_burst_us", burst, BURST).unlimited(burst == 0))?;
    }
    if let Some(period) = set(cpu.period()) {
        writes.push(Value::number("cpu", "cpu.cfs_period_us", period, PERIOD).unlimited(!limited))?;
    }
    if let Some(quota) = quota {
        let value = quota.max(-1).to_string();
        writes.push(Value::new("cpu", "cpu.cfs_quota_us", value, (QUOTA, quota.to_string())).unlimited(!limited))?;
    }
    if let Some(period) = set(cpu.realtime_period()) {
        writes.push(Value::number("cpu", "cpu.rt_period_us", period, RT_PERIOD))?;
    }
    match set(cpu.realtime_runtime()) {
        Some(runtime) => {
            let asked = (RT_RUNTIME, runtime.to_string());
            writes.push(Value::new("cpu", "cpu.rt_runtime_us", runtime.to_string(), asked))
        }
        None => Ok(()),
    }
}

fn bandwidth_v2(cpu: &LinuxCpu, writes: &mut Writes<'_>) -> Result<(), Error> {
    refuse_realtime(cpu)?;
    if let Some(burst) = cpu.burst() {
        writes.push(Value::number("cpu", "cpu.max.burst", burst, BURST).unlimited(burst == 0))?;
    }
    let (quota, period) = (set(cpu.quota()), set(cpu.period()));
    let asked = match (quota, period) {
        (Some(quota), _) => (QUOTA, quota.to_string()),
        (None, Some(period)) => (PERIOD, period.to_string()),
        (None, None) => return Ok(()),
    };
    let limit = quota.filter(|quota| *quota > 0);
    let max = limit.map_or_else(|| "max".to_owned(), |quota| quota.to_string());
    let value = format!("{max} {}", period.unwrap_or(DEFAULT_PERIOD));
    writes.push(Value::new("cpu", "cpu.max", value, asked).unlimited(limit.is_none()))
}

fn refuse_realtime(cpu: &LinuxCpu) -> Result<(), Error> {
    let runtime = set(cpu.realtime_runtime()).map(|runtime| (RT_RUNTIME, runtime.to_string()));
    let period = set(cpu.realtime_period()).map(|period| (RT_PERIOD, period.to_string()));
    match runtime.or(period) {
        Some((field, asked)) => Err(Error::invalid(field, format!("{asked}: cgroup version 2 has no realtime limits"))),
        None => Ok(()),
    }
}

pub(super) fn properties(cpu: &LinuxCpu, properties: &mut Properties) {
    weight(cpu, properties);
    let (quota, period) = (set(cpu.quota()), set(cpu.period()));
    if quota.is_some() || period.is_some() {
        let limit = quota.and_then(|quota| u64::try_from(quota).ok());
        bandwidth(limit, period, properties, &[QUOTA, PERIOD]);
    }
}

fn weight(cpu: &LinuxCpu, properties: &mut Properties) {
    match (cpu.idle(), set(cpu.shares())) {
        (_, Some(shares)) if properties.v1() => properties.number("CPUShares", shares, &[SHARES_FIELD]),
        (_, None) if properties.v1() => {}
        (Some(1), _) => idle(properties, &[IDLE]),
        (_, Some(shares)) => properties.number("CPUWeight", weight_of_shares(shares), &[SHARES_FIELD]),
        // Not idle any more, and no weight: what systemd takes for "not set".
        (Some(_), None) => properties.number("CPUWeight", INFINITY, &[IDLE]),
        (None, None) => {}
    }
}

/// A weight of 0 means idle to systemd.
pub(super) fn idle(properties: &mut Properties, fields: &'static [&'static str]) {
    properties.number("CPUWeight", 0, fields);
    properties.since(252);
}

/// Microseconds in a period, as systemd has it: microseconds in a second, in whole percents of a processor, rounded up
/// so that what lies below the unit may have what was asked for.
pub(super) fn bandwidth(quota: Option<u64>, period: Option<u64>, properties: &mut Properties, fields: &'static [&'static str]) {
    if let Some(period) = period {
        properties.number("CPUQuotaPeriodUSec", period, fields);
    }
    let per_second = |quota: u64| {
        let exact = u128::from(quota) * 1_000_000 / u128::from(period.unwrap_or(DEFAULT_PERIOD).max(1));
        u64::try_from(exact.div_ceil(10_000) * 10_000).unwrap_or(INFINITY)
    };
    properties.number("CPUQuotaPerSecUSec", quota.map_or(INFINITY, per_second), fields);
}
