//! Read-only and masked paths. They are made before the root is entered, so that what covers them comes from the host
//! and the image has no say in it (CVE-2025-31133: an image's `/dev/null` that is none). init side.

use super::root::{Root, kind};
use crate::steps::{About, Fault};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, SFlag, fstat, makedev};
use skiff_sys::mount::{Filesystem, attr, move_mount, open_tree, set_attributes};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// Turns the mount at `path` read-only.
pub(super) fn read_only_mount(root: &Root, path: &Path) -> Result<(), Fault> {
    let mount = root.find(path, false)?;
    Ok(set_attributes(mount.as_fd(), attr::RDONLY, 0, 0, false)?)
}

/// Covers `path` with itself, read-only, if it exists.
pub(super) fn read_only_path(root: &Root, path: &Path) -> Result<(), Fault> {
    let Some(target) = existing(root, path)? else { return Ok(()) };
    let tree = open_tree(Some(target.as_fd()), c"", true)?;
    set_attributes(tree.as_fd(), attr::RDONLY, 0, 0, false)?;
    Ok(move_mount(tree.as_fd(), target.as_fd())?)
}

fn existing(root: &Root, path: &Path) -> nix::Result<Option<OwnedFd>> {
    match root.find(path, false) {
        Ok(fd) => Ok(Some(fd)),
        Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// What masked paths are covered with, found or made when the first one needs it.
#[derive(Default)]
pub(super) struct Masks {
    null: Option<OwnedFd>,
    /// One empty read-only tmpfs for all masked directories, attached by the first.
    empty: Option<OwnedFd>,
}

impl Masks {
    /// Covers `path`, if it exists.
    pub(super) fn mask(&mut self, root: &Root, path: &Path) -> Result<(), Fault> {
        let Some(target) = existing(root, path)? else { return Ok(()) };
        if kind(&target)? != SFlag::S_IFDIR {
            return Ok(move_mount(self.file()?.as_fd(), target.as_fd())?);
        }
        let cover = self.directory()?;
        move_mount(cover.as_fd(), target.as_fd())?;
        self.empty.get_or_insert(cover);
        Ok(())
    }

    fn file(&mut self) -> Result<OwnedFd, Fault> {
        if self.null.is_none() {
            self.null = Some(host_null()?);
        }
        let null = self.null.as_ref().ok_or(Errno::EBADF)?;
        Ok(open_tree(Some(null.as_fd()), c"", false)?)
    }

    fn directory(&mut self) -> Result<OwnedFd, Fault> {
        match &self.empty {
            Some(attached) => Ok(open_tree(Some(attached.as_fd()), c"", false)?),
            None => {
                let context = Filesystem::open(c"tmpfs")?;
                context.flag(c"ro")?;
                Ok(context.mount(attr::RDONLY | attr::NOSUID | attr::NODEV | attr::NOEXEC)?)
            }
        }
    }
}

/// The host's `/dev/null`, looked at through the descriptor that is used.
fn host_null() -> Result<OwnedFd, Fault> {
    let null = open("/dev/null", OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty()).about("/dev/null of the host")?;
    let stat = fstat(&null)?;
    let is_null = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFCHR && stat.st_rdev == makedev(1, 3);
    if is_null { Ok(null) } else { Err(Fault::new(Errno::UnknownErrno, "/dev/null of the host is not the null device")) }
}
