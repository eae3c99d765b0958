//! Which systemd makes the container's cgroup, and where that one's own begins. Parent side, pure.

use super::name::Name;
use crate::{CgroupFacts, CgroupLayout, Error, HostFacts, V1Dir};
use std::path::{Component, Path, PathBuf};

/// The user whose manager it is; `None`: the system's.
///
/// root in a user namespace may be a user's rootless runtime, or the root of a container with a systemd of its own. The
/// runtime's cgroup tells them apart: only the former lies in a slice of some user, whose number there is the true one.
pub(super) fn find(facts: &HostFacts) -> Option<u32> {
    if facts.outer_uid == 0 {
        return None;
    }
    match &facts.cgroup {
        CgroupFacts::V2 { own, .. } => owner(own).or((facts.euid != 0).then_some(facts.outer_uid)),
        _ => Some(facts.outer_uid),
    }
}

/// The user in whose slice the cgroup lies: sd_bus_creds_get_owner_uid(3) looks at the same.
fn owner(own: &Path) -> Option<u32> {
    let slices = own.iter().filter_map(|name| name.to_str()?.strip_prefix("user-")?.strip_suffix(".slice"));
    slices.filter_map(|uid| uid.parse().ok()).find(|uid| *uid != 0)
}

/// The directories of the unit `name`.
pub(super) fn layout(name: &Name, user: Option<u32>, facts: &CgroupFacts) -> Result<CgroupLayout, Error> {
    let path = name.path()?;
    let refuse = |why| Err(Error::invalid("linux.cgroupsPath", format!("{:?}: {why}", name.unit)));
    match facts {
        CgroupFacts::None => refuse("no cgroup filesystem is mounted at /sys/fs/cgroup"),
        CgroupFacts::V1(_) if user.is_some() => refuse("a user's systemd has no cgroups of version 1 to give"),
        CgroupFacts::V2 { mount, own, controllers } => Ok(CgroupLayout::V2 {
            mount: mount.clone(),
            path: user.map_or_else(PathBuf::new, |uid| root(own, uid)).join(path),
            controllers: controllers.clone(),
        }),
        CgroupFacts::V1(hierarchies) => {
            let dir =
                |h: &crate::Hierarchy| V1Dir { mount: h.mount.clone(), controllers: h.controllers.clone(), path: path.clone() };
            Ok(CgroupLayout::V1(hierarchies.iter().map(dir).collect()))
        }
    }
}

/// The cgroup of a user's manager: the one that the runtime itself lies below, else where systemd-logind puts it.
fn root(own: &Path, uid: u32) -> PathBuf {
    let service = format!("user@{uid}.service");
    let names: Vec<Component<'_>> = own.components().collect();
    match names.iter().position(|name| name.as_os_str() == service.as_str()) {
        Some(last) => names.iter().take(last + 1).collect(),
        None => PathBuf::from(format!("user.slice/user-{uid}.slice")).join(service),
    }
}
