//! What an update changes. It names some fields; the container has the others already, and some values are made of both.
//! So the whole is put together and judged by the rules of create, and only what the named fields have a part in is
//! written: the rest stays whatever the kernel holds. Parent side, pure.

use super::limits::{cpu, memory};
use super::properties::Properties;
use super::writes::Writes;
use super::{devices, limits, systemd};
use crate::{CgroupFacts, CgroupUpdate, CgroupWrite, DeviceRule, Driver, Error, MemoryCheck, UnitProperty};
use memory::Bytes;
use oci_spec::runtime::{LinuxCpu, LinuxDeviceCgroup, LinuxDeviceType, LinuxMemory, LinuxResources};
use serde_json::Value;

const PREFIX: &str = "linux.resources.";
const UNIFIED: &str = "linux.resources.unified";

/// What a later update starts from. The devices are not part of it: an update replaces them as a whole.
pub(super) fn base(resources: &LinuxResources) -> String {
    let mut resources = resources.clone();
    resources.set_devices(None);
    // By way of a value, since that one is sorted: one container, one text.
    value(&resources).to_string()
}

/// These types are maps with names of text, which serde_json always can.
fn value(resources: &LinuxResources) -> Value {
    serde_json::to_value(resources).unwrap_or_default()
}

/// Decides what `change` means for a container that has `base` ([`crate::CgroupPlan::base`] or [`CgroupUpdate::base`]).
/// `facts` are those of the container: on version 2 the controllers of its own cgroup.
///
/// A field that is absent, or 0 where 0 asks for nothing at create (memory, shares, quota, period, pids, weight), leaves
/// what there is; so does a list of devices that only denies everything, which containerd sends with every update.
///
/// # Errors
/// [`Error::Resources`] as at create, for the whole of both.
pub fn update(base: &str, change: &LinuxResources, facts: &CgroupFacts, driver: Driver) -> Result<CgroupUpdate, Error> {
    decide(base, change, facts, driver).map_err(|error| match error {
        Error::Invalid { field, why } => {
            Error::Resources { field: field.strip_prefix(PREFIX).map(str::to_owned).unwrap_or(field), why }
        }
        other => other,
    })
}

fn decide(base: &str, change: &LinuxResources, facts: &CgroupFacts, driver: Driver) -> Result<CgroupUpdate, Error> {
    let asked = change;
    let change = asking(asked);
    let merged = merged(base, &change)?;
    let whole: LinuxResources = serde_json::from_value(merged.clone()).map_err(|error| unreadable(&error))?;
    let effective = effective(&change, &whole);
    let named = Named { change: value(&change), v1: super::is_v1(facts) };
    let mut writes = Writes::new(Some(facts));
    limits::convert(&effective, &mut writes)?;
    let writes: Vec<CgroupWrite> = writes.done().into_iter().filter(|write| named.concern(write)).collect();
    let devices = devices(asked)?;
    Ok(CgroupUpdate {
        properties: properties(&effective, &named, devices.as_deref(), driver)?,
        memory_check: memory_check(&named, whole.memory().as_ref())?,
        base: next_base(merged, &named, &writes),
        writes,
        devices,
    })
}

fn unreadable(error: &serde_json::Error) -> Error {
    Error::invalid("the container's record", format!("holds no resources: {error}"))
}

/// `change` without what asks for nothing, and with what it implies.
fn asking(change: &LinuxResources) -> LinuxResources {
    let mut change = change.clone();
    change.set_devices(None);
    let pids = change.pids().filter(|pids| pids.limit() != 0);
    change.set_pids(pids);
    if let Some(memory) = change.memory_mut() {
        memory_asking(memory);
    }
    if let Some(cpu) = change.cpu_mut() {
        cpu_asking(cpu);
    }
    if let Some(io) = change.block_io_mut() {
        io.set_weight(io.weight().filter(|weight| *weight != 0));
        io.set_leaf_weight(io.leaf_weight().filter(|weight| *weight != 0));
    }
    change
}

fn memory_asking(memory: &mut LinuxMemory) {
    memory.set_limit(memory.limit().filter(|bytes| *bytes != 0));
    memory.set_reservation(memory.reservation().filter(|bytes| *bytes != 0));
    memory.set_swap(memory.swap().filter(|bytes| *bytes != 0));
    // Whoever lifts the limit of memory lifts the one that counts memory and swap too, as runc has it.
    if memory.limit() == Some(-1) && memory.swap().is_none() {
        memory.set_swap(Some(-1));
    }
}

fn cpu_asking(cpu: &mut LinuxCpu) {
    cpu.set_shares(cpu.shares().filter(|number| *number != 0));
    cpu.set_quota(cpu.quota().filter(|number| *number != 0));
    cpu.set_period(cpu.period().filter(|number| *number != 0));
    cpu.set_realtime_runtime(cpu.realtime_runtime().filter(|number| *number != 0));
    cpu.set_realtime_period(cpu.realtime_period().filter(|number| *number != 0));
    let cpus = cpu.cpus().clone().filter(|list| !list.is_empty());
    let mems = cpu.mems().clone().filter(|list| !list.is_empty());
    cpu.set_cpus(cpus).set_mems(mems);
}

/// What the container will have asked for in all.
fn merged(base: &str, change: &LinuxResources) -> Result<Value, Error> {
    let mut merged = if base.is_empty() { Ok(Value::Object(Default::default())) } else { serde_json::from_str(base) }
        .map_err(|error| unreadable(&error))?;
    let cpu = change.cpu().as_ref();
    if cpu.is_some_and(|cpu| cpu.idle() == Some(1) && cpu.shares().is_none()) {
        // An idle cgroup has no shares; those from before are given up.
        remove(&mut merged, cpu::SHARES_FIELD);
    }
    merge(&mut merged, value(change));
    Ok(merged)
}

fn merge(old: &mut Value, new: Value) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            new.into_iter().for_each(|(name, value)| merge(old.entry(name).or_insert(Value::Null), value));
        }
        (Value::Array(old), Value::Array(new)) => {
            for entry in new {
                match old.iter_mut().find(|held| key(held) == key(&entry)) {
                    Some(held) => merge(held, entry),
                    None => old.push(entry),
                }
            }
        }
        (old, new) => *old = new,
    }
}

/// What an entry of a list speaks of: a device, a size of pages, an interface.
fn key(entry: &Value) -> [Option<&Value>; 4] {
    ["major", "minor", "pageSize", "name"].map(|name| entry.get(name))
}

fn pointer(field: &str) -> String {
    format!("/{}", field.strip_prefix(PREFIX).unwrap_or(field).replace('.', "/"))
}

fn remove(resources: &mut Value, field: &str) {
    let pointer = pointer(field);
    if let Some((block, name)) = pointer.rsplit_once('/') {
        resources.pointer_mut(block).and_then(Value::as_object_mut).map(|block| block.remove(name));
    }
}

/// The change, with all of the two blocks whose fields depend on each other.
fn effective(change: &LinuxResources, whole: &LinuxResources) -> LinuxResources {
    let mut effective = change.clone();
    effective.set_memory(change.memory().and(*whole.memory()));
    effective.set_cpu(change.cpu().as_ref().and(whole.cpu().clone()));
    effective
}

/// The fields that the change names.
struct Named {
    change: Value,
    v1: bool,
}

impl Named {
    fn has(&self, field: &str) -> bool {
        self.change.pointer(&pointer(field)).is_some()
    }

    /// Has the change a part in this value? On version 2 two files are made of two fields each.
    fn concern(&self, write: &CgroupWrite) -> bool {
        let both: &[&str] = match write.file.as_str() {
            "memory.swap.max" => &[memory::LIMIT, memory::SWAP],
            "cpu.max" => &[cpu::QUOTA, cpu::PERIOD],
            _ => &[],
        };
        self.has(write.field) || (!self.v1 && both.iter().any(|field| self.has(field)))
    }
}

/// The container's new rules; `None` where the change names no device.
fn devices(change: &LinuxResources) -> Result<Option<Vec<DeviceRule>>, Error> {
    let bare = |entry: &LinuxDeviceCgroup| {
        let any = matches!(entry.typ(), None | Some(LinuxDeviceType::A));
        !entry.allow() && any && entry.major().is_none() && entry.minor().is_none()
    };
    match change.devices().iter().flatten().all(bare) {
        true => Ok(None),
        false => devices::rules(Some(change)).map(Some),
    }
}

fn properties(
    effective: &LinuxResources,
    named: &Named,
    rules: Option<&[DeviceRule]>,
    driver: Driver,
) -> Result<Vec<UnitProperty>, Error> {
    let Driver::Systemd { user } = driver else { return Ok(Vec::new()) };
    let mut properties = Properties::new(named.v1);
    limits::properties(effective, &mut properties)?;
    let concern = |fields: &[&str]| fields.is_empty() || fields.iter().any(|field| named.has(field));
    let limits = properties.done().into_iter().filter(|limit| !limit.only_at_start && concern(limit.fields));
    let devices = rules.filter(|_| !user).map(|rules| systemd::device_properties(rules, named.v1, true)).transpose()?;
    Ok(limits.map(|limit| limit.property).chain(devices.unwrap_or_default()).collect())
}

/// A limit below what is in use would end the container at once.
fn memory_check(named: &Named, memory: Option<&LinuxMemory>) -> Result<Option<MemoryCheck>, Error> {
    let changed = named.has(memory::LIMIT) || named.has(memory::SWAP);
    let Some(memory) = memory.filter(|memory| changed && memory.check_before_update() == Some(true)) else { return Ok(None) };
    let limit = Bytes::read(memory::LIMIT, memory.limit())?.unwrap_or(Bytes::Unlimited);
    let total = match Bytes::read(memory::SWAP, memory.swap())? {
        Some(Bytes::Limit(total)) => Some(total),
        _ => None,
    };
    let limited = limit != Bytes::Unlimited || total.is_some();
    Ok(limited.then_some(MemoryCheck { limit: limit.number(), total }))
}

/// A value that a field names now holds no longer as a file of the unified map.
fn next_base(mut merged: Value, named: &Named, writes: &[CgroupWrite]) -> String {
    let newer = writes
        .iter()
        .filter(|write| write.field != UNIFIED && named.change.pointer(&format!("/unified/{}", write.file)).is_none());
    if let Some(files) = merged.get_mut("unified").and_then(Value::as_object_mut) {
        newer.for_each(|write| drop(files.remove(&write.file)));
    }
    merged.to_string()
}

#[cfg(test)]
#[path = "update_tests.rs"]
mod tests;
