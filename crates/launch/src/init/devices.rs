//! Device nodes and the links in `/dev`. Nothing on the way may be a symbolic link of the image (CVE-2026-41579,
//! CVE-2026-47766). init side.

use super::root::{Root, kind_of, stat_in};
use crate::steps::{About, Fault};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, readlinkat};
use nix::sys::stat::{Mode, SFlag, makedev, mknodat};
use nix::unistd::{Gid, Uid, UnlinkatFlags, fchownat, symlinkat, unlinkat};
use skiff_plan::DeviceNode;
use std::ffi::{CStr, OsStr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Makes nodes and links; remembers the last directory, since nearly all lie in `/dev`.
#[derive(Default)]
pub(super) struct Devices(Option<(PathBuf, OwnedFd)>);

impl Devices {
    fn parent<'a>(&mut self, root: &Root, path: &'a Path) -> Result<(&OwnedFd, &'a OsStr), Fault> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Err(Errno::EINVAL.into()) };
        let known = self.0.take().filter(|(known, _)| known == parent);
        let entry = match known {
            Some(entry) => entry,
            None => (parent.to_owned(), root.find_or_make(parent, SFlag::S_IFDIR, true)?),
        };
        Ok((&self.0.insert(entry).1, name))
    }

    /// Makes the node; one that is there already must be the same device.
    pub(super) fn make(&mut self, root: &Root, device: &DeviceNode) -> Result<(), Fault> {
        let (dir, name) = self.parent(root, &device.path)?;
        let kind = SFlag::from_bits_truncate(device.file_type);
        let number = makedev(device.major.into(), device.minor.into());
        match mknodat(dir, name, kind, Mode::from_bits_truncate(device.mode), number) {
            Err(Errno::EEXIST) => same_device(dir, name, kind, number)?,
            other => other?,
        }
        if (device.uid, device.gid) != (0, 0) {
            let (uid, gid) = (Uid::from_raw(device.uid), Gid::from_raw(device.gid));
            fchownat(dir.as_fd(), name, Some(uid), Some(gid), AtFlags::AT_SYMLINK_NOFOLLOW).about("owner")?;
        }
        Ok(())
    }

    /// Makes the link, in place of what is there unless that is to be kept.
    pub(super) fn link(&mut self, root: &Root, target: &CStr, path: &Path, keep_existing: bool) -> Result<(), Fault> {
        let (dir, name) = self.parent(root, path)?;
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
}

fn same_device(dir: &OwnedFd, name: &OsStr, kind: SFlag, number: u64) -> Result<(), Fault> {
    let there = stat_in(dir, name)?;
    let same_number = kind == SFlag::S_IFIFO || there.st_rdev == number;
    if kind_of(&there) == kind && same_number { Ok(()) } else { Err(Fault::new(Errno::EEXIST, "something else is there")) }
}
