//! The mount calls that work on descriptors (Linux 5.2 to 5.12): open_tree, move_mount, fsopen, fsconfig, fsmount,
//! mount_setattr. init uses them; nothing here knows what a container is.

use crate::check;
use nix::NixPath;
use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// `MOUNT_ATTR_*` of mount_setattr(2).
pub mod attr {
    /// Read-only.
    pub const RDONLY: u64 = 0x1;
    /// Ignore set-user-ID and set-group-ID bits.
    pub const NOSUID: u64 = 0x2;
    /// No device files.
    pub const NODEV: u64 = 0x4;
    /// No execution.
    pub const NOEXEC: u64 = 0x8;
    /// The field that holds one of the three access time modes.
    pub const ATIME: u64 = 0x70;
    /// Access times as relatime: the field's zero value.
    pub const RELATIME: u64 = 0x0;
    /// No access times.
    pub const NOATIME: u64 = 0x10;
    /// Every access time.
    pub const STRICTATIME: u64 = 0x20;
    /// No access times of directories.
    pub const NODIRATIME: u64 = 0x80;
    /// Follow no symbolic links (Linux 5.14).
    pub const NOSYMFOLLOW: u64 = 0x20_0000;
}

const OPEN_TREE_CLONE: u32 = 1;
const OPEN_TREE_CLOEXEC: u32 = libc::O_CLOEXEC as u32;
const AT_RECURSIVE: u32 = 0x8000;
const AT_EMPTY_PATH: u32 = libc::AT_EMPTY_PATH as u32;
const MOVE_MOUNT_F_EMPTY_PATH: u32 = 0x4;
const MOVE_MOUNT_T_EMPTY_PATH: u32 = 0x40;
const FSOPEN_CLOEXEC: u32 = 1;
const FSMOUNT_CLOEXEC: u32 = 1;
const FSCONFIG_SET_FLAG: u32 = 0;
const FSCONFIG_SET_STRING: u32 = 1;
const FSCONFIG_CMD_CREATE: u32 = 6;

/// The longest value that fsconfig(2) takes, in bytes.
pub const FSCONFIG_VALUE_MAX: usize = 255;

fn owned(result: libc::c_long) -> nix::Result<OwnedFd> {
    let fd = check(result)?;
    // SAFETY: the call succeeded, so this is a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

fn dir(fd: Option<BorrowedFd<'_>>) -> libc::c_int {
    fd.map_or(libc::AT_FDCWD, |fd| fd.as_raw_fd())
}

/// A detached copy of the mount at `path` (with the mounts below it, if `recursive`), relative to `at` or to the
/// working directory. An empty path means `at` itself.
///
/// # Errors
/// As open_tree(2); `EINVAL` if the mount lies in another mount namespace.
pub fn open_tree<P: ?Sized + NixPath>(at: Option<BorrowedFd<'_>>, path: &P, recursive: bool) -> nix::Result<OwnedFd> {
    let flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | if recursive { AT_RECURSIVE } else { 0 };
    // SAFETY: the path is a valid C string for the length of the call.
    let call = |path: &CStr| unsafe { libc::syscall(libc::SYS_open_tree, dir(at), path.as_ptr(), flags) };
    owned(path.with_nix_path(call)?)
}

/// Attaches the detached `mount` on top of what `target` refers to.
///
/// # Errors
/// As move_mount(2).
pub fn move_mount(mount: BorrowedFd<'_>, target: BorrowedFd<'_>) -> nix::Result<()> {
    let flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
    let empty = c"".as_ptr();
    // SAFETY: both paths are static empty strings.
    check(unsafe { libc::syscall(libc::SYS_move_mount, mount.as_raw_fd(), empty, target.as_raw_fd(), empty, flags) }).map(drop)
}

/// A filesystem context (fsopen(2)): set it up with [`Filesystem::flag`] and [`Filesystem::option`], then [`Filesystem::mount`]
/// it.
#[derive(Debug)]
pub struct Filesystem(OwnedFd);

impl Filesystem {
    /// Opens a context for the filesystem type.
    ///
    /// # Errors
    /// `ENODEV` for an unknown type.
    pub fn open(fstype: &CStr) -> nix::Result<Self> {
        // SAFETY: the type is a valid C string.
        owned(unsafe { libc::syscall(libc::SYS_fsopen, fstype.as_ptr(), FSOPEN_CLOEXEC) }).map(Self)
    }

    fn config(&self, command: u32, key: *const libc::c_char, value: *const libc::c_char) -> nix::Result<()> {
        // SAFETY: key and value are null or C strings that the three callers below hold for the length of the call.
        check(unsafe { libc::syscall(libc::SYS_fsconfig, self.0.as_raw_fd(), command, key, value, 0) }).map(drop)
    }

    /// Sets an option without a value.
    ///
    /// # Errors
    /// `EINVAL` if the filesystem does not know it; [`Filesystem::complaint`] says more.
    pub fn flag(&self, name: &CStr) -> nix::Result<()> {
        self.config(FSCONFIG_SET_FLAG, name.as_ptr(), std::ptr::null())
    }

    /// Sets an option with a value of at most [`FSCONFIG_VALUE_MAX`] bytes.
    ///
    /// # Errors
    /// `EINVAL` if the filesystem does not take it; [`Filesystem::complaint`] says more.
    pub fn option(&self, name: &CStr, value: &CStr) -> nix::Result<()> {
        self.config(FSCONFIG_SET_STRING, name.as_ptr(), value.as_ptr())
    }

    /// Makes the superblock and a detached mount of it, with `MOUNT_ATTR_*` attributes.
    ///
    /// # Errors
    /// Whatever the filesystem answers.
    pub fn mount(&self, attributes: u64) -> nix::Result<OwnedFd> {
        self.config(FSCONFIG_CMD_CREATE, std::ptr::null(), std::ptr::null())?;
        // SAFETY: integers only.
        owned(unsafe { libc::syscall(libc::SYS_fsmount, self.0.as_raw_fd(), FSMOUNT_CLOEXEC, attributes) })
    }

    /// The filesystem's own words on the last failure (`tmpfs: Unknown parameter 'x'`), if it has any.
    #[must_use]
    pub fn complaint(&self) -> Option<String> {
        let mut buffer = [0u8; 256];
        let length = nix::unistd::read(&self.0, &mut buffer).ok()?;
        let text = String::from_utf8_lossy(buffer.get(..length)?).trim().to_owned();
        // The first letter is the class of the message: error, warning, info.
        text.strip_prefix("e ").map(str::to_owned)
    }
}

#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns_fd: u64,
}

/// Changes attributes and propagation (`MS_SHARED`, ... or 0) of the mount that `mount` refers to, and of those below it if
/// `recursive`.
///
/// # Errors
/// As mount_setattr(2); `EPERM` for an attribute that a user namespace has locked.
pub fn set_attributes(mount: BorrowedFd<'_>, set: u64, clear: u64, propagation: u64, recursive: bool) -> nix::Result<()> {
    let attr = MountAttr { set, clear, propagation, userns_fd: 0 };
    let flags = AT_EMPTY_PATH | if recursive { AT_RECURSIVE } else { 0 };
    // SAFETY: the structure has the kernel's layout of version 0 and outlives the call; the path is static.
    let result = unsafe {
        libc::syscall(libc::SYS_mount_setattr, mount.as_raw_fd(), c"".as_ptr(), flags, &raw const attr, size_of::<MountAttr>())
    };
    check(result).map(drop)
}
