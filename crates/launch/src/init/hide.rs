//! Read-only and masked paths. They are made before the root is entered, so that what covers them comes from the host
//! and the image has no say in it (CVE-2025-31133: an image's `/dev/null` that is none). init side.

use super::root::{Fd, Root, kind, kind_of};
use crate::steps::{About, Fault};
use nix::errno::Errno;
use nix::sys::stat::{SFlag, fstat, makedev};
use skiff_sys::leave_open;
use skiff_sys::mount::{Filesystem, attr, move_mount, open_tree, set_attributes};
use std::mem::ManuallyDrop;
use std::path::Path;

/// Turns the mount at `path` read-only.
pub(super) fn read_only_mount(root: &Root, path: &Path) -> Result<(), Fault> {
    let mount = root.find(path, false)?;
    Ok(set_attributes(mount, attr::RDONLY, 0, 0, false)?)
}

/// Covers `path` with itself, read-only, if it exists.
pub(super) fn read_only_path(root: &Root, path: &Path) -> Result<(), Fault> {
    let Some(target) = existing(root, path)? else { return Ok(()) };
    let tree = leave_open(open_tree(Some(target), c"", true)?);
    set_attributes(tree, attr::RDONLY, 0, 0, false)?;
    Ok(move_mount(tree, target)?)
}

fn existing(root: &Root, path: &Path) -> nix::Result<Option<Fd>> {
    match root.find(path, false) {
        Ok(fd) => Ok(Some(fd)),
        Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// What masked paths are covered with: the first cover of its kind.
#[derive(Default)]
pub(super) struct Masks {
    /// The host's null device.
    pub(super) null: Option<Fd>,
    /// One empty read-only tmpfs for all masked directories.
    pub(super) empty: Option<Fd>,
}

impl Masks {
    /// Covers `path`, if it exists.
    pub(super) fn mask(&mut self, root: &Root, path: &Path) -> Result<(), Fault> {
        let Some(target) = existing(root, path)? else { return Ok(()) };
        let directory = kind(target)? == SFlag::S_IFDIR;
        let cover = if directory { self.directory()? } else { self.file()? };
        move_mount(cover, target)?;
        // Only what is attached can be copied (before Linux 6.15), so the first cover serves the others.
        let first = if directory { &mut self.empty } else { &mut self.null };
        first.get_or_insert(cover);
        Ok(())
    }

    fn file(&mut self) -> Result<Fd, Fault> {
        match self.null {
            Some(attached) => Ok(leave_open(open_tree(Some(attached), c"", false)?)),
            None => host_null(),
        }
    }

    fn directory(&mut self) -> Result<Fd, Fault> {
        match self.empty {
            Some(attached) => Ok(leave_open(open_tree(Some(attached), c"", false)?)),
            None => {
                let context = ManuallyDrop::new(Filesystem::open(c"tmpfs")?);
                Ok(leave_open(context.mount(attr::RDONLY | attr::NOSUID | attr::NODEV | attr::NOEXEC)?))
            }
        }
    }
}

/// The host's `/dev/null`, looked at through the descriptor that is used.
fn host_null() -> Result<Fd, Fault> {
    let null = leave_open(open_tree(None, c"/dev/null", false).about("/dev/null of the host")?);
    let stat = fstat(null)?;
    let is_null = kind_of(&stat) == SFlag::S_IFCHR && stat.st_rdev == makedev(1, 3);
    if is_null { Ok(null) } else { Err(Fault::new(Errno::UnknownErrno, "/dev/null of the host is not the null device")) }
}
