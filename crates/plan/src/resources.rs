//! From `linux.cgroupsPath` and `linux.resources` to the cgroup part of the plan: which directories, which values,
//! which devices. Parent side, pure; crates/cgroup carries it out.

mod devices;
mod limits;
mod path;
#[cfg(test)]
mod tests;
mod writes;

use crate::{CgroupFacts, CgroupLayout, CgroupManager, CgroupPlan, Error, HostFacts, Options};
use oci_spec::runtime::{LinuxResources, Spec};
use writes::Writes;

/// The container's cgroup.
///
/// # Errors
/// A path that leaves the hierarchy, a value that no kernel takes, a limit whose controller is missing, a resource
/// that is not supported yet: each with its field.
pub(crate) fn cgroup(spec: &Spec, facts: &HostFacts, options: &Options) -> Result<CgroupPlan, Error> {
    let linux = spec.linux().as_ref();
    let resources = linux.and_then(|linux| linux.resources().as_ref());
    let disabled = options.cgroup_manager == CgroupManager::Disabled;
    let mut writes = Writes::new(if disabled { None } else { Some(&facts.cgroup) });
    if let Some(resources) = resources {
        refuse_unsupported(resources)?;
        limits::convert(resources, &mut writes)?;
    }
    if disabled {
        return Ok(CgroupPlan::bare(CgroupLayout::Disabled));
    }
    let path = linux.and_then(|linux| linux.cgroups_path().as_deref());
    Ok(CgroupPlan {
        writes: writes.done(),
        devices: Some(devices::rules(resources)?),
        ..CgroupPlan::bare(path::layout(path, &options.id, &facts.cgroup)?)
    })
}

/// What asks for something that nothing here carries out yet. An empty block asks for nothing: docker always sends
/// `"blockIO": {}`, and older ones a weight of 0.
fn refuse_unsupported(resources: &LinuxResources) -> Result<(), Error> {
    let asked: [(&str, bool); 5] = [
        ("blockIO", resources.block_io().as_ref().is_some_and(asks_for_block_io)),
        ("hugepageLimits", resources.hugepage_limits().as_ref().is_some_and(|limits| !limits.is_empty())),
        ("rdma", resources.rdma().as_ref().is_some_and(|devices| !devices.is_empty())),
        ("unified", resources.unified().as_ref().is_some_and(|files| !files.is_empty())),
        ("network", resources.network().as_ref().is_some_and(asks_for_network)),
    ];
    match asked.into_iter().find(|(_, asked)| *asked) {
        Some((name, _)) => Err(Error::unsupported(format!("linux.resources.{name}"))),
        None => Ok(()),
    }
}

fn asks_for_block_io(io: &oci_spec::runtime::LinuxBlockIo) -> bool {
    let weights = [io.weight(), io.leaf_weight()].into_iter().flatten().any(|weight| weight != 0);
    let throttles = [
        io.throttle_read_bps_device(),
        io.throttle_write_bps_device(),
        io.throttle_read_iops_device(),
        io.throttle_write_iops_device(),
    ];
    weights
        || io.weight_device().as_ref().is_some_and(|devices| !devices.is_empty())
        || throttles.into_iter().flatten().any(|devices| !devices.is_empty())
}

fn asks_for_network(network: &oci_spec::runtime::LinuxNetwork) -> bool {
    network.class_id().is_some_and(|id| id != 0) || network.priorities().as_ref().is_some_and(|list| !list.is_empty())
}

/// Which version of the files to write.
fn is_v1(facts: &CgroupFacts) -> bool {
    matches!(facts, CgroupFacts::V1(_))
}
