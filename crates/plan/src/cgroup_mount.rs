//! A mount of type `cgroup` on a version 1 or hybrid host: a tmpfs with one mount per hierarchy. Parent side.

use std::ffi::CString;
use std::path::{Path, PathBuf};

use libc::{MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY};

use crate::mounts::{Mounts, Parsed};
use crate::{AttrChange, CgroupFacts, CgroupLayout, Error, Hierarchy, HostFacts, InitOp, Mount, MountKind, NewFilesystem};

/// What every mount of this kind gets, whatever the entry says, as with runc.
const SAFE: u64 = MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;

/// Appends the steps for `entry`. The hybrid cgroup2 tree is left out, as with runc; so is everything on a host without
/// cgroups, where the tmpfs stays empty.
pub(crate) fn expand(
    entry: &Parsed<'_>,
    facts: &HostFacts,
    layout: &CgroupLayout,
    own_namespace: bool,
    mounts: &mut Mounts,
) -> Result<(), Error> {
    let hierarchies: &[Hierarchy] = if let CgroupFacts::V1(all) = &facts.cgroup { all } else { &[] };
    entry.warn(false, &mut mounts.warnings);
    mounts.ops.push(InitOp::Mount(tmpfs(entry)));
    let named = hierarchies.iter().filter(|hierarchy| !hierarchy.controllers.is_empty());
    for hierarchy in named {
        let name = hierarchy.mount.file_name().unwrap_or_default();
        let destination = entry.destination.join(name);
        let mount =
            if own_namespace { filesystem(entry, hierarchy, destination)? } else { bind(entry, hierarchy, layout, destination) };
        mounts.ops.push(InitOp::Mount(mount));
        mounts.ops.extend(links(entry, &name.to_string_lossy())?);
    }
    if entry.options.readonly == Some(true) || entry.options.recursive_attr.set & MOUNT_ATTR_RDONLY != 0 {
        mounts.readonly_later.push(InitOp::ReadonlyMount(entry.destination.clone()));
    }
    Ok(())
}

fn tmpfs(entry: &Parsed<'_>) -> Mount {
    let new = NewFilesystem {
        fstype: c"tmpfs".to_owned(),
        source: c"tmpfs".to_owned(),
        flags: Vec::new(),
        options: vec!["mode=755".to_owned()],
        copy_up: false,
    };
    let attr = AttrChange { set: SAFE, clear: 0 };
    let mount = mount(entry, entry.destination.clone(), MountKind::New(new), attr);
    Mount { propagation: entry.options.propagation.clone(), ..mount }
}

/// A new mount of the hierarchy: in a cgroup namespace it shows the container's own part.
fn filesystem(entry: &Parsed<'_>, hierarchy: &Hierarchy, destination: PathBuf) -> Result<Mount, Error> {
    let readonly = entry.options.readonly == Some(true);
    let source = hierarchy.controllers.strip_prefix("name=").unwrap_or("cgroup");
    let new = NewFilesystem {
        fstype: c"cgroup".to_owned(),
        source: c_string(entry, source)?,
        flags: if readonly { vec!["ro"] } else { Vec::new() },
        options: hierarchy.controllers.split(',').map(str::to_owned).collect(),
        copy_up: false,
    };
    let attr = AttrChange { set: if readonly { SAFE | MOUNT_ATTR_RDONLY } else { SAFE }, clear: 0 };
    let mount = mount(entry, destination, MountKind::New(new), attr);
    Ok(Mount { recursive_attr: entry.options.recursive_attr, ..mount })
}

fn bind(entry: &Parsed<'_>, hierarchy: &Hierarchy, layout: &CgroupLayout, destination: PathBuf) -> Mount {
    let kind = MountKind::Bind { source: own_directory(hierarchy, layout), recursive: true };
    let mount = mount(entry, destination, kind, entry.attr());
    Mount { recursive_attr: entry.options.recursive_attr, propagation: entry.options.propagation.clone(), ..mount }
}

/// Where the container is accounted in this hierarchy: in its own directory, or where the runtime was called.
fn own_directory(hierarchy: &Hierarchy, layout: &CgroupLayout) -> PathBuf {
    let dirs: &[_] = if let CgroupLayout::V1(dirs) = layout { dirs } else { &[] };
    let own = dirs.iter().find(|dir| dir.mount == hierarchy.mount).map(|dir| &dir.path);
    hierarchy.mount.join(own.unwrap_or(&hierarchy.own))
}

fn mount(entry: &Parsed<'_>, destination: PathBuf, kind: MountKind, attr: AttrChange) -> Mount {
    Mount {
        index: entry.index,
        destination,
        no_symlinks: false,
        kind,
        attr,
        recursive_attr: AttrChange::default(),
        propagation: Vec::new(),
    }
}

/// `cpu` and `cpuacct` beside `cpu,cpuacct`.
fn links(entry: &Parsed<'_>, name: &str) -> Result<Vec<InitOp>, Error> {
    if !name.contains(',') {
        return Ok(Vec::new());
    }
    name.split(',').map(|controller| link(entry, name, Path::new(controller))).collect()
}

fn link(entry: &Parsed<'_>, name: &str, controller: &Path) -> Result<InitOp, Error> {
    Ok(InitOp::Symlink { target: c_string(entry, name)?, path: entry.destination.join(controller), keep_existing: true })
}

fn c_string(entry: &Parsed<'_>, text: &str) -> Result<CString, Error> {
    CString::new(text).map_err(|_| Error::invalid(format!("mounts[{}]", entry.index), "contains a null byte"))
}

#[cfg(test)]
#[path = "cgroup_mount_tests.rs"]
mod tests;
