//! Where the container's cgroup lies. The rules are those of runc's cgroupfs managers: an absolute `cgroupsPath`
//! starts at the mount of the hierarchy; a relative one starts, on version 1, in the runtime's own cgroup, and on
//! version 2 beside it, since a cgroup with processes in it cannot enable controllers for its children
//! (cgroups(7), "no internal processes").

use crate::{CgroupFacts, CgroupLayout, Error, V1Dir};
use std::path::{Component, Path, PathBuf};

const FIELD: &str = "linux.cgroupsPath";

/// The directories of the container `id`.
pub(super) fn layout(asked: Option<&Path>, id: &str, facts: &CgroupFacts) -> Result<CgroupLayout, Error> {
    let asked = asked.unwrap_or(Path::new(id));
    let below = clean(asked)?;
    let place = |start: &Path| if asked.is_absolute() { below.clone() } else { start.join(&below) };
    match facts {
        CgroupFacts::None => Err(invalid(asked, "no cgroup filesystem is mounted at /sys/fs/cgroup")),
        CgroupFacts::V2 { mount, own, controllers } => Ok(CgroupLayout::V2 {
            mount: mount.clone(),
            path: place(own.parent().unwrap_or(Path::new(""))),
            controllers: controllers.clone(),
        }),
        CgroupFacts::V1(hierarchies) => Ok(CgroupLayout::V1(
            hierarchies
                .iter()
                .map(|h| V1Dir { mount: h.mount.clone(), controllers: h.controllers.clone(), path: place(&h.own) })
                .collect(),
        )),
    }
}

/// The path without `.` and its leading slash. runc resolves a `..`, and silently cuts off what leads above the start; such a
/// path cannot mean what it says, so it is refused.
fn clean(asked: &Path) -> Result<PathBuf, Error> {
    refuse_systemd_form(asked)?;
    let mut below = PathBuf::new();
    for component in asked.components() {
        match component {
            Component::Normal(name) => below.push(name),
            Component::ParentDir => return Err(invalid(asked, "`..` could lead into another's cgroup")),
            _ => {}
        }
    }
    if below.as_os_str().is_empty() {
        return Err(invalid(asked, "names no cgroup of the container's own"));
    }
    if below.as_os_str().as_encoded_bytes().iter().any(|byte| matches!(byte, 0 | b'\n')) {
        return Err(invalid(asked, "holds a byte that no cgroup name may hold"));
    }
    Ok(below)
}

/// `slice:prefix:name` speaks to the systemd driver; as a directory name it would put the container outside its slice.
fn refuse_systemd_form(asked: &Path) -> Result<(), Error> {
    let text = asked.to_string_lossy();
    if !asked.is_absolute() && text.split(':').count() == 3 {
        return Err(invalid(asked, "the form slice:prefix:name needs the systemd cgroup driver (--systemd-cgroup)"));
    }
    Ok(())
}

fn invalid(asked: &Path, why: &str) -> Error {
    Error::invalid(FIELD, format!("{:?}: {why}", asked.to_string_lossy()))
}
