//! Pseudo-terminals: the ioctls that nix lacks. init makes them, the parent relays them.

use crate::check;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Lets the slave of this master be opened (`TIOCSPTLCK`).
///
/// # Errors
/// `ENOTTY` if it is no master.
pub fn unlock_pty(master: BorrowedFd<'_>) -> nix::Result<()> {
    let locked: libc::c_int = 0;
    // SAFETY: TIOCSPTLCK reads one int through the pointer.
    check(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &raw const locked) }.into()).map(drop)
}

/// The slave of this master, without going by any path (`TIOCGPTPEER`; CVE-2025-52565). It does not become the controlling
/// terminal.
///
/// # Errors
/// `EIO` while it is locked; `ENOTTY` if it is no master, or before Linux 4.13.
pub fn pty_slave(master: BorrowedFd<'_>) -> nix::Result<OwnedFd> {
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: TIOCGPTPEER takes open flags by value.
    let fd = check(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags) }.into())?;
    // SAFETY: the call succeeded, so this is a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Sets the window of a terminal, in characters (`TIOCSWINSZ`). Its foreground processes get SIGWINCH when that is a change.
///
/// # Errors
/// `ENOTTY` if it is no terminal.
pub fn set_window_size(terminal: BorrowedFd<'_>, rows: u16, columns: u16) -> nix::Result<()> {
    put_window(terminal, libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 })
}

/// Gives the window of the terminal `from` to `to`, pixels included.
///
/// # Errors
/// `ENOTTY` if one is no terminal.
pub fn copy_window_size(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> nix::Result<()> {
    put_window(to, get_window(from)?)
}

/// Rows and columns of a terminal's window (`TIOCGWINSZ`).
///
/// # Errors
/// `ENOTTY` if it is no terminal.
pub fn window_size(terminal: BorrowedFd<'_>) -> nix::Result<(u16, u16)> {
    get_window(terminal).map(|window| (window.ws_row, window.ws_col))
}

fn get_window(terminal: BorrowedFd<'_>) -> nix::Result<libc::winsize> {
    let mut window = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCGWINSZ stores one winsize through the pointer.
    check(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCGWINSZ, &raw mut window) }.into())?;
    Ok(window)
}

fn put_window(terminal: BorrowedFd<'_>, window: libc::winsize) -> nix::Result<()> {
    // SAFETY: TIOCSWINSZ reads one winsize through the pointer.
    check(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSWINSZ, &raw const window) }.into()).map(drop)
}

/// Makes the terminal the controlling one of the caller's session, which the caller leads and which has none (`TIOCSCTTY`).
///
/// # Errors
/// `EPERM` if the caller leads no session, or the terminal is another session's.
pub fn take_controlling_terminal(terminal: BorrowedFd<'_>) -> nix::Result<()> {
    // SAFETY: TIOCSCTTY takes a number by value; 0 does not steal.
    check(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSCTTY, 0) }.into()).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::errno::Errno;
    use nix::fcntl::OFlag;
    use nix::sys::stat::{Mode, fstat, major};
    use std::os::fd::AsFd;

    fn master() -> OwnedFd {
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        nix::fcntl::open("/dev/ptmx", flags, Mode::empty()).unwrap()
    }

    #[test]
    fn the_slave_comes_from_the_master_once_it_is_unlocked() {
        let master = master();
        assert_eq!(pty_slave(master.as_fd()).unwrap_err(), Errno::EIO);
        unlock_pty(master.as_fd()).unwrap();
        let slave = pty_slave(master.as_fd()).unwrap();
        // UNIX98_PTY_SLAVE_MAJOR of the kernel
        assert_eq!(major(fstat(&slave).unwrap().st_rdev), 136);
    }

    #[test]
    fn both_ends_have_one_window() {
        let (one, other) = (master(), master());
        unlock_pty(one.as_fd()).unwrap();
        let slave = pty_slave(one.as_fd()).unwrap();
        set_window_size(one.as_fd(), 33, 99).unwrap();
        assert_eq!(window_size(slave.as_fd()), Ok((33, 99)));
        copy_window_size(slave.as_fd(), other.as_fd()).unwrap();
        assert_eq!(window_size(other.as_fd()), Ok((33, 99)));
    }
}
