//! `tmpcopyup`: fills a new tmpfs with what the image has at its destination. Works on descriptors and follows no link. init
//! side.

use super::root::{kind_of, stat_in};
use crate::steps::{About, Fault};
use nix::dir::Dir;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{FchmodatFlags, FileStat, Mode, SFlag, UtimensatFlags, fchmodat, fstat, mkdirat, mknodat, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchownat, symlinkat};
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

/// Copies the content of directory `from` into the empty directory `to`, with owner, mode and times.
pub(super) fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<(), Fault> {
    let from = reopen(from)?;
    let to = reopen(to)?;
    copy_entries(&from, &to)
}

/// A readable descriptor of an `O_PATH` one.
fn reopen(dir: BorrowedFd<'_>) -> nix::Result<OwnedFd> {
    openat(dir, ".", OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
}

fn copy_entries(from: &OwnedFd, to: &OwnedFd) -> Result<(), Fault> {
    let entries = Dir::from_fd(from.try_clone().map_err(|_| nix::errno::Errno::EMFILE)?)?;
    for entry in entries.into_iter() {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name != "." && name != ".." {
            copy_entry(from, to, name).map_err(|fault| Fault::new(fault.errno, format!("copy {}", name.to_string_lossy())))?;
        }
    }
    Ok(())
}

fn copy_entry(from: &OwnedFd, to: &OwnedFd, name: &OsStr) -> Result<(), Fault> {
    let stat = stat_in(from, name)?;
    let open =
        |dir: &OwnedFd, flags| openat(dir, name, flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::from_bits_truncate(0o600));
    match kind_of(&stat) {
        SFlag::S_IFDIR => {
            mkdirat(to, name, Mode::S_IRWXU)?;
            copy_entries(&open(from, OFlag::O_DIRECTORY)?, &open(to, OFlag::O_DIRECTORY)?)?;
        }
        SFlag::S_IFLNK => symlinkat(readlinkat(from, name)?.as_os_str(), to, name)?,
        SFlag::S_IFREG => {
            let source = open(from, OFlag::O_RDONLY | OFlag::O_NONBLOCK)?;
            // Between the look and the open the image cannot change, but a volume can.
            if kind_of(&fstat(&source)?) != SFlag::S_IFREG {
                return Err(nix::errno::Errno::EINVAL.into());
            }
            let target = open(to, OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL)?;
            let errno = |error: std::io::Error| error.raw_os_error().map_or(nix::errno::Errno::EIO, nix::errno::Errno::from_raw);
            std::io::copy(&mut File::from(source), &mut File::from(target)).map_err(errno)?;
        }
        other => mknodat(to, name, other, Mode::S_IRUSR, stat.st_rdev)?,
    }
    keep_attributes(to, name, &stat)
}

fn keep_attributes(dir: &OwnedFd, name: &OsStr, stat: &FileStat) -> Result<(), Fault> {
    let (uid, gid) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    fchownat(dir.as_fd(), name, Some(uid), Some(gid), AtFlags::AT_SYMLINK_NOFOLLOW).about("owner")?;
    if kind_of(stat) != SFlag::S_IFLNK {
        fchmodat(dir, name, Mode::from_bits_truncate(stat.st_mode), FchmodatFlags::FollowSymlink)?;
    }
    let times = [TimeSpec::new(stat.st_atime, stat.st_atime_nsec), TimeSpec::new(stat.st_mtime, stat.st_mtime_nsec)];
    Ok(utimensat(dir, name, &times[0], &times[1], UtimensatFlags::NoFollowSymlink)?)
}
