//! The container as a transient unit of systemd: where it lies and what it is told. Parent side, pure; crates/cgroup asks
//! systemd for it and writes the same limits to the files once more, since systemd knows not all of them.

mod annotations;
mod devices;
mod gvariant;
mod manager;
mod name;
#[cfg(test)]
mod tests;

pub(super) use devices::properties as device_properties;

use super::limits;
use super::properties::Properties;
use crate::{CgroupLayout, Error, HostFacts, SystemdUnit, UnitProperty, Variant};
use name::Name;
use oci_spec::runtime::{LinuxResources, Spec};
use std::path::Path;

/// The unit, and the directories that systemd makes for it.
///
/// # Errors
/// A `cgroupsPath` that names no unit, an annotation that is no property, a limit that systemd has no form for, a user's
/// systemd on a host of version 1.
pub(super) fn unit(
    spec: &Spec,
    path: Option<&Path>,
    id: &str,
    facts: &HostFacts,
    rules: &[crate::DeviceRule],
) -> Result<(SystemdUnit, CgroupLayout), Error> {
    let linux = spec.linux().as_ref();
    let manager = manager::find(facts);
    let name = name::parse(path, id, manager.is_some())?;
    let layout = manager::layout(&name, manager, &facts.cgroup)?;
    let v1 = super::is_v1(&facts.cgroup);
    let mut properties = common(&name, v1);
    replace(&mut properties, annotations::properties(spec.annotations().as_ref())?);
    if let Some(resources) = linux.and_then(|linux| linux.resources().as_ref()) {
        replace(&mut properties, limits(resources, v1, &name)?);
    }
    if manager.is_none() {
        replace(&mut properties, devices::properties(rules, v1, false)?);
    }
    let unit = SystemdUnit { name: name.unit, slice: name.slice, user: manager.is_some(), properties };
    Ok((unit, layout))
}

fn limits(resources: &LinuxResources, v1: bool, name: &Name) -> Result<Vec<UnitProperty>, Error> {
    let mut properties = Properties::new(v1);
    limits::properties(resources, &mut properties)?;
    // What to do when memory runs out is nothing to a slice.
    let all = properties.done().into_iter().filter(|limit| !(name.is_slice && limit.only_at_start));
    Ok(all.map(|limit| limit.property).collect())
}

/// What every container's unit is told. Accounting makes it measurable; nobody but the runtime may have a say in what
/// lies below it; one that failed shall leave nothing.
fn common(name: &Name, v1: bool) -> Vec<UnitProperty> {
    let text = |text: &str| Variant::Text(text.to_owned());
    let mut properties = vec![property("Description", Variant::Text(format!("skiff container {}", name.title)))];
    if !name.is_slice {
        properties.push(property("Delegate", Variant::Bool(true)));
    } else if name.slice != name::ROOT {
        properties.push(property("Wants", Variant::Array("s".to_owned(), vec![text(&name.slice)])));
    }
    let io = if v1 { "BlockIOAccounting" } else { "IOAccounting" };
    let accounting = ["MemoryAccounting", "CPUAccounting", io, "TasksAccounting"];
    properties.extend(accounting.iter().map(|name| property(name, Variant::Bool(true))));
    properties.push(property("DefaultDependencies", Variant::Bool(false)));
    properties.push(property("CollectMode", text("inactive-or-failed")));
    properties
}

fn property(name: &str, value: Variant) -> UnitProperty {
    UnitProperty { name: name.to_owned(), value, since: 0 }
}

/// Adds `newer`, which hold where a name is there already.
fn replace(properties: &mut Vec<UnitProperty>, newer: Vec<UnitProperty>) {
    properties.retain(|old| newer.iter().all(|new| new.name != old.name));
    properties.extend(newer);
}
