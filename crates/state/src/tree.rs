//! Removing a directory tree by descriptors: no path of it is walked twice, so nobody can lead us elsewhere.

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::ffi::{CStr, CString};
use std::os::fd::BorrowedFd;

/// Removes `name` below `parent`, whatever it is. What is gone already is fine.
pub(crate) fn remove(parent: BorrowedFd<'_>, name: &CStr) -> nix::Result<()> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    match openat(parent, name, flags, Mode::empty()) {
        Ok(fd) => remove_children(Dir::from_fd(fd)?)?,
        Err(Errno::ENOTDIR | Errno::ELOOP) => return gone_is_fine(unlinkat(parent, name, UnlinkatFlags::NoRemoveDir)),
        Err(Errno::ENOENT) => return Ok(()),
        Err(errno) => return Err(errno),
    }
    gone_is_fine(unlinkat(parent, name, UnlinkatFlags::RemoveDir))
}

fn remove_children(mut dir: Dir) -> nix::Result<()> {
    use std::os::fd::AsFd;
    let names: Vec<CString> = dir.iter().map(|entry| entry.map(|e| e.file_name().to_owned())).collect::<nix::Result<_>>()?;
    for name in names.iter().filter(|name| !matches!(name.to_bytes(), b"." | b"..")) {
        match unlinkat(dir.as_fd(), name.as_c_str(), UnlinkatFlags::NoRemoveDir) {
            Err(Errno::EISDIR | Errno::EPERM) => remove(dir.as_fd(), name)?,
            other => gone_is_fine(other)?,
        }
    }
    Ok(())
}

fn gone_is_fine(result: nix::Result<()>) -> nix::Result<()> {
    match result {
        Err(Errno::ENOENT) => Ok(()),
        other => other,
    }
}
