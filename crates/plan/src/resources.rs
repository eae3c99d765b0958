//! From `linux.cgroupsPath` and `linux.resources` to the cgroup part of the plan: which directories, which values,
//! which devices, which unit of systemd; and what an update changes of it. Parent side, pure; crates/cgroup carries it out.

mod devices;
mod limits;
mod owner;
mod path;
mod properties;
mod read;
mod systemd;
#[cfg(test)]
mod tests;
mod update;
mod writes;

pub use read::read as read_resources;
pub use update::update;

use crate::{CgroupFacts, CgroupLayout, CgroupManager, CgroupPlan, Error, HostFacts, Options};
use oci_spec::runtime::Spec;
use writes::Writes;

/// The container's cgroup.
///
/// # Errors
/// A path that leaves the hierarchy or names no unit, a value that no kernel takes, a limit whose controller is missing:
/// each with its field.
pub(crate) fn cgroup(spec: &Spec, facts: &HostFacts, options: &Options) -> Result<CgroupPlan, Error> {
    let linux = spec.linux().as_ref();
    let resources = linux.and_then(|linux| linux.resources().as_ref());
    let disabled = options.cgroup_manager == CgroupManager::Disabled;
    let mut writes = Writes::new(if disabled { None } else { Some(&facts.cgroup) });
    if let Some(resources) = resources {
        limits::convert(resources, &mut writes)?;
    }
    if disabled {
        return Ok(CgroupPlan::bare(CgroupLayout::Disabled));
    }
    let rules = devices::rules(resources)?;
    let path = linux.and_then(|linux| linux.cgroups_path().as_deref()).filter(|path| !path.as_os_str().is_empty());
    let (unit, layout) = match options.cgroup_manager {
        CgroupManager::Systemd => {
            let (unit, layout) = systemd::unit(spec, path, &options.id, facts, &rules)?;
            (Some(unit), layout)
        }
        _ => (None, path::layout(path, &options.id, &facts.cgroup)?),
    };
    let base = resources.map(update::base).unwrap_or_default();
    let owner = owner::uid(spec, &facts.cgroup);
    Ok(CgroupPlan { layout, named: path.is_some(), writes: writes.done(), devices: Some(rules), unit, owner, base })
}

/// Which version of the files to write.
fn is_v1(facts: &CgroupFacts) -> bool {
    matches!(facts, CgroupFacts::V1(_))
}
