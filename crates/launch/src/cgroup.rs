//! The container's cgroup where the runtime has no right to one: what runc does without being told, and no more. Parent side.

use crate::Error;
use nix::errno::Errno;
use skiff_cgroup::Cgroup;
use skiff_plan::{CgroupLayout, CgroupPlan, HostFacts};

/// Makes the cgroup. A runtime without privileges does without the device filter, since the kernel lets nobody in a user
/// namespace make a device, and without a cgroup, if nothing is to be limited.
///
/// # Errors
/// As [`Cgroup::create`]; also without privileges if there is a limit, which nobody would keep.
pub(crate) fn create(plan: &CgroupPlan, facts: &HostFacts) -> Result<Cgroup, Error> {
    match Cgroup::create(plan) {
        Err(error) if denied(&error) && unprivileged(facts) => without_privileges(plan),
        other => Ok(other?),
    }
}

fn without_privileges(plan: &CgroupPlan) -> Result<Cgroup, Error> {
    let unfiltered = CgroupPlan { devices: None, ..plan.clone() };
    match Cgroup::create(&unfiltered) {
        Err(error) if denied(&error) && plan.writes.is_empty() => {
            Ok(Cgroup::create(&CgroupPlan { layout: CgroupLayout::Disabled, writes: Vec::new(), devices: None })?)
        }
        other => Ok(other?),
    }
}

fn denied(error: &skiff_cgroup::Error) -> bool {
    matches!(error.errno(), Some(Errno::EACCES | Errno::EPERM | Errno::EROFS))
}

/// Not root, or root only inside a user namespace.
fn unprivileged(facts: &HostFacts) -> bool {
    let whole = |map: &str| map.split_whitespace().eq(["0", "0", "4294967295"]);
    facts.euid != 0 || std::fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| !whole(&map))
}
