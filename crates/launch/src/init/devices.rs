//! Device nodes and the links in `/dev`. Nothing on the way may be a symbolic link of the image (CVE-2026-41579,
//! CVE-2026-47766). init side.

use super::root::{Fd, Root, kind_of, stat_in};
use crate::steps::{About, Fault};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, readlinkat};
use nix::sys::stat::{Mode, SFlag, fstat, makedev, mknodat};
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchownat, symlinkat, unlinkat};
use skiff_plan::DeviceNode;
use skiff_sys::leave_open;
use skiff_sys::mount::{move_mount, open_tree};
use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// `/dev/core` is there only where the kernel shows its memory, as runc has it.
const KCORE: &CStr = c"/proc/kcore";

/// Makes the node; one that is there already must be the same device. Where making nodes is denied, as in a user namespace,
/// the host's own is bound in its place.
pub(super) fn make(root: &Root, device: &DeviceNode) -> Result<(), Fault> {
    let (dir, name) = root.parent_of(&device.path, true)?;
    let kind = SFlag::from_bits_truncate(device.file_type);
    let number = makedev(device.major.into(), device.minor.into());
    match mknodat(dir, name, kind, Mode::from_bits_truncate(device.mode), number) {
        Err(Errno::EPERM) => return bind(root, device, kind, number),
        Err(Errno::EEXIST) => same_device(dir, name, kind, number)?,
        other => other?,
    }
    if (device.uid, device.gid) != (0, 0) {
        let (uid, gid) = (Uid::from_raw(device.uid), Gid::from_raw(device.gid));
        fchownat(dir, name, Some(uid), Some(gid), AtFlags::AT_SYMLINK_NOFOLLOW).about("owner")?;
    }
    Ok(())
}

fn bind(root: &Root, device: &DeviceNode, kind: SFlag, number: u64) -> Result<(), Fault> {
    let node = leave_open(open_tree(None, &device.path, false).about(format_args!("{} of the host", device.path.display()))?);
    let host = fstat(node)?;
    if kind_of(&host) != kind || host.st_rdev != number {
        return Err(Fault::new(Errno::EPERM, format!("{} of the host is another device", device.path.display())));
    }
    let target = root.find_or_make(&device.path, SFlag::S_IFREG, true)?;
    Ok(move_mount(node, target)?)
}

/// Makes the link, in place of what is there unless that is to be kept.
pub(super) fn link(root: &Root, target: &CStr, path: &Path, keep_existing: bool) -> Result<(), Fault> {
    if target == KCORE && root.find(Path::new("/proc/kcore"), false).is_err() {
        return Ok(());
    }
    let (dir, name) = root.parent_of(path, true)?;
    let target = OsStr::from_bytes(target.to_bytes());
    match symlinkat(target, dir, name) {
        Err(Errno::EEXIST) if keep_existing => Ok(()),
        Err(Errno::EEXIST) if readlinkat(dir, name).is_ok_and(|old| old == target) => Ok(()),
        Err(Errno::EEXIST) => {
            unlinkat(dir, name, UnlinkatFlags::NoRemoveDir).about("remove what is there")?;
            Ok(symlinkat(target, dir, name)?)
        }
        other => Ok(other?),
    }
}

fn same_device(dir: Fd, name: &OsStr, kind: SFlag, number: u64) -> Result<(), Fault> {
    let there = stat_in(dir, name)?;
    let same_number = kind == SFlag::S_IFIFO || there.st_rdev == number;
    if kind_of(&there) == kind && same_number { Ok(()) } else { Err(Fault::new(Errno::EEXIST, "something else is there")) }
}
