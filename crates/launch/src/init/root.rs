//! The root filesystem by descriptor: attached at its own path, every path below it resolved inside it by openat2, and
//! entered at the end. init side.

use crate::steps::{About, Fault};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, open, openat2, readlinkat};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat, mkdirat, mknodat};
use nix::unistd::{chdir, chroot, fchdir, pivot_root};
use skiff_sys::leave_open;
use skiff_sys::mount::{attr, move_mount, open_tree, set_attributes};
use std::cell::RefCell;
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Component, Path, PathBuf};

/// Mode of what is made to be mounted on.
const DIRECTORY: Mode = Mode::from_bits_truncate(0o755);
/// Symbolic links followed when a destination is made, as the kernel's own limit.
const MAX_LINKS: usize = 40;
/// Times that a look-up is tried again when the tree changes under it.
const MAX_TRIES: usize = 32;

/// A descriptor that init does not close one by one: [`super::Builder`] closes them all, many at a time.
pub(super) type Fd = BorrowedFd<'static>;

/// Sets the propagation of every mount below `/`.
pub(super) fn set_propagation(flags: u64) -> Result<(), Fault> {
    Ok(mount(None::<&str>, "/", None::<&str>, MsFlags::from_bits_retain(flags), None::<&str>)?)
}

/// The mounted root filesystem.
pub(super) struct Root {
    fd: Fd,
    /// The last directory in which something was made. Nearly everything that is made lies in `/dev`.
    last: RefCell<Option<(PathBuf, Fd)>>,
}

impl Root {
    /// Binds the tree at `path` onto itself, so that it is a mount of this namespace that pivot_root accepts.
    pub(super) fn attach(path: &Path, private_parent: bool) -> Result<Self, Fault> {
        // The plan resolved the path; a symbolic link in it now means that somebody is replacing it.
        let how = how(OFlag::O_PATH | OFlag::O_DIRECTORY, ResolveFlag::RESOLVE_NO_SYMLINKS);
        let below = leave_open(openat2(nix::fcntl::AT_FDCWD, path, how)?);
        if private_parent {
            make_private(path)?;
        }
        let tree = open_tree(Some(below), c"", true)?;
        move_mount(tree.as_fd(), below)?;
        Ok(Self { fd: leave_open(tree), last: RefCell::default() })
    }

    /// What `path` refers to inside the root, as an `O_PATH` descriptor. Symbolic links are followed inside the root,
    /// or refused with `ELOOP`.
    pub(super) fn find(&self, path: &Path, no_symlinks: bool) -> nix::Result<Fd> {
        let links = if no_symlinks { ResolveFlag::RESOLVE_NO_SYMLINKS } else { ResolveFlag::empty() };
        let how = how(OFlag::O_PATH, ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS | links);
        for _ in 1..MAX_TRIES {
            // A rename or mount elsewhere on the host makes a look-up with `..` fail for a moment.
            match openat2(self.fd, path, how) {
                Err(Errno::EAGAIN) => {}
                other => return other.map(leave_open),
            }
        }
        openat2(self.fd, path, how).map(leave_open)
    }

    /// The directory at `path`, made with its parents where missing.
    pub(super) fn directory(&self, path: &Path) -> Result<Fd, Fault> {
        self.find_or_make(path, SFlag::S_IFDIR, false)
    }

    /// What is at `path`; where nothing is, an empty file or directory made for a mount.
    pub(super) fn find_or_make(&self, path: &Path, kind: SFlag, no_symlinks: bool) -> Result<Fd, Fault> {
        if kind == SFlag::S_IFDIR && self.make_in_last(path) {
            return Ok(self.find(path, no_symlinks)?);
        }
        match self.find(path, no_symlinks) {
            Err(Errno::ENOENT) => self.make(path, kind, no_symlinks, 0),
            Err(Errno::ELOOP) if no_symlinks => {
                Err(Fault::new(Errno::UnknownErrno, format!("{} is a symbolic link in the root filesystem", path.display())))
            }
            other => Ok(other?),
        }
    }

    /// Makes the directory `path` right away if its parent is the last one used, and it was not there.
    fn make_in_last(&self, path: &Path) -> bool {
        match (&*self.last.borrow(), path.parent(), path.file_name()) {
            (Some((known, dir)), Some(parent), Some(name)) if known == parent => mkdirat(dir, name, DIRECTORY).is_ok(),
            _ => false,
        }
    }

    fn make(&self, path: &Path, kind: SFlag, no_symlinks: bool, links: usize) -> Result<Fd, Fault> {
        let (dir, name) = self.parent_of(path, no_symlinks)?;
        let made = match kind {
            SFlag::S_IFDIR => mkdirat(dir, name, DIRECTORY),
            _ => mknodat(dir, name, SFlag::S_IFREG, Mode::from_bits_truncate(0o644), 0),
        };
        match made {
            // A dangling link (`/etc/resolv.conf` in many images): what it names inside the root is made instead.
            Err(Errno::EEXIST) if !no_symlinks && links < MAX_LINKS => match readlinkat(dir, name) {
                Ok(target) => self.follow(&path.with_file_name(target), kind, links + 1),
                Err(_) => Ok(self.find(path, false)?),
            },
            Err(errno) => Err(Fault::new(errno, format!("make {}", path.display()))),
            Ok(()) => Ok(self.find(path, no_symlinks)?),
        }
    }

    /// The directory that `path` lies in, made where missing, and the name there.
    pub(super) fn parent_of<'p>(&self, path: &'p Path, no_symlinks: bool) -> Result<(Fd, &'p OsStr), Fault> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Err(Errno::EISDIR.into()) };
        if let Some((known, fd)) = &*self.last.borrow()
            && known == parent
        {
            return Ok((*fd, name));
        }
        // What is remembered has no link in its path, so it serves those, too, who may not follow any.
        match self.find_or_make(parent, SFlag::S_IFDIR, true) {
            Ok(fd) => {
                self.last.replace(Some((parent.to_owned(), fd)));
                Ok((fd, name))
            }
            Err(_) if !no_symlinks => Ok((self.find_or_make(parent, SFlag::S_IFDIR, false)?, name)),
            Err(fault) => Err(fault),
        }
    }

    /// Something was mounted at `path`, or descriptors were closed: what lies there now may be another directory.
    pub(super) fn mounted(&self, path: &Path) {
        if self.last.borrow().as_ref().is_some_and(|(known, _)| known.starts_with(path)) {
            self.forget();
        }
    }

    /// Forgets the last directory.
    pub(super) fn forget(&self) {
        self.last.replace(None);
    }

    fn follow(&self, path: &Path, kind: SFlag, links: usize) -> Result<Fd, Fault> {
        let path = clean(path);
        match self.find(&path, false) {
            Err(Errno::ENOENT) => self.make(&path, kind, false, links),
            other => Ok(other?),
        }
    }

    /// The root directory.
    pub(super) fn fd(&self) -> Fd {
        self.fd
    }

    /// Turns the root mount read-only.
    pub(super) fn make_read_only(&self) -> Result<(), Fault> {
        Ok(set_attributes(self.fd, attr::RDONLY, 0, 0, false)?)
    }

    /// Makes this the root of the mount namespace and lets go of the host's.
    pub(super) fn enter(&self, no_pivot: bool, host_is_shared: bool, propagation: Option<u64>) -> Result<(), Fault> {
        fchdir(self.fd)?;
        if no_pivot {
            move_over_root()?
        } else {
            pivot(host_is_shared)?
        }
        match propagation {
            Some(flags) => Ok(set_attributes(self.fd, 0, 0, flags & !libc::MS_REC, flags & libc::MS_REC != 0)?),
            None => Ok(()),
        }
    }
}

/// The working directory becomes `/`, the host's root goes away.
fn pivot(host_is_shared: bool) -> Result<(), Fault> {
    let host = host_is_shared.then(|| open("/", OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).map(leave_open)).transpose()?;
    // The old root comes to lie on top of the new one, and "." is the new one below it; umount2 takes the top (pivot_root(2),
    // NOTES).
    pivot_root(".", ".").about("pivot_root")?;
    if let Some(host) = host {
        // Unmounting must not reach the host.
        set_attributes(host, 0, 0, libc::MS_SLAVE, true).about("detach from the host's mounts")?;
    }
    umount2(".", MntFlags::MNT_DETACH).about("unmount the host's root")
}

/// The same where the host's root is the initial ramfs, which pivot_root refuses (`--no-pivot`). The old root stays mounted
/// below the new one, out of reach by path.
fn move_over_root() -> Result<(), Fault> {
    mount(Some("."), "/", None::<&str>, MsFlags::MS_MOVE, None::<&str>).about("move the root")?;
    chroot(".")?;
    Ok(chdir("/")?)
}

fn how(flags: OFlag, resolve: ResolveFlag) -> OpenHow {
    OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(resolve)
}

/// The mount that holds `path` becomes private: attaching below a shared one would show on the host.
fn make_private(path: &Path) -> Result<(), Fault> {
    for dir in path.ancestors() {
        let dir = open(dir, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())?;
        // EINVAL: no mount begins here, so it begins further up.
        match set_attributes(dir.as_fd(), 0, 0, libc::MS_PRIVATE, false) {
            Err(Errno::EINVAL) => {}
            other => return Ok(other?),
        }
    }
    Err(Errno::EINVAL.into())
}

/// The path without `.` and `..`, by its letters: for what does not exist yet.
fn clean(path: &Path) -> PathBuf {
    let mut out = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::ParentDir => drop(out.pop()),
            Component::Normal(name) => out.push(name),
            _ => {}
        }
    }
    out
}

/// Type bits of what the descriptor refers to.
pub(super) fn kind(fd: impl AsFd) -> nix::Result<SFlag> {
    Ok(kind_of(&fstat(fd)?))
}

/// Type bits of a stat.
pub(super) fn kind_of(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT
}

/// What lies at `name` in the directory itself, links not followed.
pub(super) fn stat_in(dir: impl AsFd, name: &std::ffi::OsStr) -> nix::Result<FileStat> {
    fstatat(dir, name, AtFlags::AT_SYMLINK_NOFOLLOW)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_without_leaving_the_root() {
        assert_eq!(clean(Path::new("/etc/../run/./x")), Path::new("/run/x"));
        assert_eq!(clean(Path::new("/a/../../../b")), Path::new("/b"));
    }
}
