//! The container's cgroup where it is another's already, or where the runtime has no right to one: then what runc does without
//! being told, and no more. Parent side.

use crate::Error;
use nix::errno::Errno;
use nix::unistd::AccessFlags;
use skiff_cgroup::Cgroup;
use skiff_plan::{CgroupFacts, CgroupLayout, CgroupPlan, HostFacts, InitOp, Mount, MountKind};
use skiff_state::{Record, Store};
use std::path::Path;

/// Refuses a cgroup that another container has, though nothing of it may be in there now: one would be limited, killed and
/// removed with the other. A directory that is not there yet is nobody's.
///
/// # Errors
/// `linux.cgroupsPath` names such a cgroup.
pub(crate) fn check_unclaimed(record: &Record, store: &Store) -> Result<(), Error> {
    let there = |dir: &Path| nix::unistd::access(dir, AccessFlags::F_OK).is_ok();
    let Some((_, dir)) = record.cgroup.dirs.first().filter(|(_, dir)| there(dir)) else { return Ok(()) };
    claimant(record, store).map_or(Ok(()), |id| {
        Err(Error::Status(format!("config.json: linux.cgroupsPath: {} belongs to container {id}", dir.display())))
    })
}

/// The other container that has one of the record's cgroups.
pub(crate) fn claimant(record: &Record, store: &Store) -> Option<String> {
    let same_cgroup = |id: &String| {
        let other = store.open(id).and_then(|dir| dir.load());
        other.is_ok_and(|other| other.init.is_some() && other.cgroup.dirs.iter().any(|dir| record.cgroup.dirs.contains(dir)))
    };
    store.ids().ok()?.into_iter().filter(|id| *id != record.id).find(same_cgroup)
}

/// Makes the cgroup. A runtime without privileges does without the device filter, since the kernel lets nobody in a user
/// namespace make a device, and without a cgroup, if nothing is to be limited and none is asked for by name.
///
/// # Errors
/// As [`Cgroup::create`].
pub(crate) fn create(plan: &CgroupPlan, facts: &HostFacts) -> Result<Cgroup, Error> {
    match Cgroup::create(plan) {
        Err(error) if denied(&error) && unprivileged(facts) => without_privileges(plan),
        other => Ok(other?),
    }
}

/// The same by systemd, around a process that waits.
///
/// # Errors
/// As [`Cgroup::create_unit`]. Nobody does without the cgroup here: it was asked for by name.
pub(crate) fn create_unit(plan: &CgroupPlan, facts: &HostFacts, pid: u32) -> Result<Cgroup, Error> {
    if plan.devices.is_some() && unprivileged(facts) {
        return Ok(Cgroup::create_unit(&CgroupPlan { devices: None, ..plan.clone() }, pid)?);
    }
    Ok(Cgroup::create_unit(plan, pid)?)
}

fn without_privileges(plan: &CgroupPlan) -> Result<Cgroup, Error> {
    let unfiltered = CgroupPlan { devices: None, ..plan.clone() };
    match Cgroup::create(&unfiltered) {
        Err(error) if denied(&error) => match asked(plan) {
            None => Ok(Cgroup::create(&CgroupPlan::bare(CgroupLayout::Disabled))?),
            Some(field) => Err(Error::Status(format!(
                "config.json: {field}: without privileges this needs a cgroup that is delegated to the user: {error}"
            ))),
        },
        other => Ok(other?),
    }
}

/// The field that only a cgroup can satisfy. What limits nothing (`max`) is none.
fn asked(plan: &CgroupPlan) -> Option<&'static str> {
    let limit = plan.writes.iter().find(|write| !write.optional).map(|write| write.field);
    limit.or(plan.named.then_some("linux.cgroupsPath"))
}

fn denied(error: &skiff_cgroup::Error) -> bool {
    matches!(error.errno(), Some(Errno::EACCES | Errno::EPERM | Errno::EROFS))
}

/// Not root, or root only inside a user namespace.
fn unprivileged(facts: &HostFacts) -> bool {
    let whole = |map: &str| map.split_whitespace().eq(["0", "0", "4294967295"]);
    facts.euid != 0 || std::fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| !whole(&map))
}

/// Without a cgroup of its own the container stays in the runtime's, so that is what a view of version 1 without a cgroup
/// namespace has to show: binds of the directories that were planned become binds of those.
pub(crate) fn redirect(ops: &[InitOp], plan: &CgroupPlan, facts: &HostFacts) -> Vec<InitOp> {
    let (CgroupLayout::V1(planned), CgroupFacts::V1(own)) = (&plan.layout, &facts.cgroup) else { return ops.to_vec() };
    let mut ops = ops.to_vec();
    for op in &mut ops {
        let InitOp::Mount(Mount { kind: MountKind::Bind { source, .. }, .. }) = op else { continue };
        let hierarchy = planned.iter().find(|dir| dir.mount.join(&dir.path) == *source);
        let place = hierarchy.and_then(|dir| own.iter().find(|own| own.mount == dir.mount));
        if let Some(place) = place {
            *source = place.mount.join(&place.own);
        }
    }
    ops
}
