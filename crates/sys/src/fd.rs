//! Descriptors: the socket pair between parent and init, really closing what must not reach the container.

use crate::check;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use std::os::fd::{AsRawFd, BorrowedFd, IntoRawFd, OwnedFd};

/// Closes the descriptors `first..=last`.
///
/// Whoever owns one of them in an `OwnedFd` must never touch or drop that again: init calls this right before it
/// executes or exits.
///
/// # Errors
/// `EINVAL` if `first > last`; `ENOSYS` before Linux 5.9.
pub fn close_range(first: u32, last: u32) -> nix::Result<()> {
    // SAFETY: integers only; the caller gives up the descriptors as documented.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) }).map(drop)
}

/// Closes every descriptor from `first` on but the ones in `keep`, which must be sorted.
///
/// # Errors
/// As [`close_range`].
pub fn close_from(first: u32, keep: &[u32]) -> nix::Result<()> {
    let mut next = first;
    for &fd in keep.iter().filter(|&&fd| fd >= first) {
        if fd > next {
            close_range(next, fd - 1)?;
        }
        next = fd + 1;
    }
    close_range(next, u32::MAX)
}

/// Two connected `SOCK_SEQPACKET` sockets, close-on-exec.
///
/// # Errors
/// As socketpair(2).
pub fn seqpacket_pair() -> nix::Result<(OwnedFd, OwnedFd)> {
    socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
}

/// Gives up closing the descriptor: it stays open until [`close_range`] or the end of the process takes it.
#[must_use]
pub fn leave_open(fd: OwnedFd) -> BorrowedFd<'static> {
    // SAFETY: nobody owns the descriptor any more, so nobody closes it behind the back of the result, but close_range, whose
    // callers give up every descriptor in the range.
    unsafe { BorrowedFd::borrow_raw(fd.into_raw_fd()) }
}

/// How many bytes wait in a pipe or FIFO (`FIONREAD`).
///
/// # Errors
/// As ioctl(2).
pub fn pending_bytes(pipe: BorrowedFd<'_>) -> nix::Result<usize> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: FIONREAD stores one int through the pointer.
    check(unsafe { libc::ioctl(pipe.as_raw_fd(), libc::FIONREAD, &raw mut bytes) }.into())?;
    Ok(usize::try_from(bytes).unwrap_or(0))
}

/// The number is an open descriptor of this process.
#[must_use]
pub fn is_open(fd: u32) -> bool {
    // SAFETY: F_GETFD only reads the flags, of whatever the number refers to.
    unsafe { libc::fcntl(fd as i32, libc::F_GETFD) >= 0 }
}

/// execve keeps the descriptor.
///
/// # Errors
/// `EBADF` if it is not open.
pub fn clear_cloexec(fd: u32) -> nix::Result<()> {
    // SAFETY: F_SETFD changes only the flag; descriptors below ours belong to the caller of the runtime.
    check(unsafe { libc::fcntl(fd as i32, libc::F_SETFD, 0) }.into()).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsFd;

    #[test]
    fn pending_bytes_counts_what_was_written() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        assert_eq!(pending_bytes(reader.as_fd()), Ok(0));
        writer.write_all(b"abc").unwrap();
        assert_eq!(pending_bytes(reader.as_fd()), Ok(3));
    }
}
