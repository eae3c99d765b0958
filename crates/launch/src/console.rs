//! The terminal of a process: a pair of pseudo-terminals from the container's own devpts. init keeps the slave as stdin,
//! stdout and stderr, and gives the master away: to whoever listens at `--console-socket`, or to the parent, which relays.
//!
//! Nothing is found by a path that the container could exchange: the slave comes from its master, `/dev/console` and
//! `/dev/pts` by look-ups below the root that follow no symbolic link (CVE-2025-52565, CVE-2026-88264).

use crate::error::{Act, Error};
use crate::steps::{About, Fault};
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use nix::sys::stat::{Mode, SFlag, fstat, makedev, mknodat};
use nix::sys::statfs::{DEVPTS_SUPER_MAGIC, fstatfs};
use skiff_sys::mount::{move_mount, open_tree};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// The name that goes with a master, as runc's.
const MASTER: &[u8] = b"/dev/ptmx";

/// What the process descriptor of a container's init is called, as runc calls it.
pub(crate) const PIDFD_OF_INIT: &[u8] = b"standard";
/// The same of a process that exec started.
pub(crate) const PIDFD_OF_EXEC: &[u8] = b"setns";

/// Connects to the socket that a client listens at, while its path still means the host's. `option` is for the error, as in
/// `--console-socket`. Parent side.
pub(crate) fn connect_socket(option: &str, path: &Path) -> Result<OwnedFd, Error> {
    let act = || format!("connect to {option} {}", path.display());
    let address = UnixAddr::new(path).act(act)?;
    let socket = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).act(act)?;
    loop {
        match connect(socket.as_raw_fd(), &address) {
            Err(Errno::EINTR) => {}
            other => return other.act(act).map(|()| socket),
        }
    }
}

/// Sends the descriptor of a process to the client of `--pidfd-socket`. Parent side.
pub(crate) fn send_pidfd(socket: BorrowedFd<'_>, pidfd: BorrowedFd<'_>, name: &[u8]) -> Result<(), Error> {
    skiff_sys::send_fd(socket, pidfd, name).act(|| "send to --pidfd-socket".into())
}

/// Takes the master that init has sent, for a relay of ours. Parent side.
pub(crate) fn receive_master(socket: BorrowedFd<'_>) -> Result<OwnedFd, Error> {
    skiff_sys::receive_fd(socket).act(|| "receive the terminal from init".into())
}

/// Both ends of a new terminal. init side.
#[derive(Debug)]
pub(crate) struct Console {
    master: OwnedFd,
    slave: OwnedFd,
}

impl Console {
    /// Opens a terminal on the devpts at `dev/pts` below `root`. `size` is rows and columns.
    pub(crate) fn open(root: BorrowedFd<'_>, size: Option<(u16, u16)>) -> Result<Self, Fault> {
        let master = open_master(root)?;
        skiff_sys::unlock_pty(master.as_fd()).about("unlock the terminal")?;
        let slave = skiff_sys::pty_slave(master.as_fd()).about("open the terminal's slave")?;
        if let Some((rows, columns)) = size {
            skiff_sys::set_window_size(master.as_fd(), rows, columns).about("process.consoleSize")?;
        }
        Ok(Self { master, slave })
    }

    /// Binds the slave on `/dev/console` below `root`, which is made where it is missing. Not for exec.
    pub(crate) fn bind(&self, root: BorrowedFd<'_>) -> Result<(), Fault> {
        let target = console_node(root)?;
        let tree = open_tree(Some(self.slave.as_fd()), c"", false).about("bind /dev/console")?;
        move_mount(tree.as_fd(), target.as_fd()).about("bind /dev/console")
    }

    /// What stays open until it has become stdio.
    pub(crate) fn descriptors(&self) -> [u32; 2] {
        [&self.master, &self.slave].map(|fd| fd.as_raw_fd().unsigned_abs())
    }

    /// Gives the master away.
    pub(crate) fn send(&self, socket: BorrowedFd<'_>) -> Result<(), Fault> {
        skiff_sys::send_fd(socket, self.master.as_fd(), MASTER).about("send the terminal to the console socket")
    }

    /// Makes the slave stdin, stdout and stderr, and the controlling terminal of the session that the caller leads. Its owner
    /// becomes the process' user together with that of any other stdio; the group stays that of the devpts (`gid=5`).
    pub(crate) fn become_stdio(self) -> Result<(), Fault> {
        nix::unistd::dup2_stdin(&self.slave)?;
        nix::unistd::dup2_stdout(&self.slave)?;
        nix::unistd::dup2_stderr(&self.slave)?;
        skiff_sys::take_controlling_terminal(self.slave.as_fd()).about("make it the controlling terminal")
    }
}

fn below(dir: BorrowedFd<'_>, path: &str, flags: OFlag, resolve: ResolveFlag) -> nix::Result<OwnedFd> {
    let resolve = resolve | ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS;
    openat2(dir, path, OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(resolve))
}

fn explained(why: impl Into<String>) -> Fault {
    Fault::new(Errno::UnknownErrno, why)
}

/// In a devpts the kernel alone makes names, so that a `ptmx` that no mount covers is one.
fn open_master(root: BorrowedFd<'_>) -> Result<OwnedFd, Fault> {
    let pts = below(root, "dev/pts", OFlag::O_PATH | OFlag::O_DIRECTORY, ResolveFlag::empty()).about("/dev/pts")?;
    if fstatfs(&pts).about("/dev/pts")?.filesystem_type() != DEVPTS_SUPER_MAGIC {
        return Err(explained("process.terminal: there is no devpts filesystem at /dev/pts"));
    }
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY;
    let master = below(pts.as_fd(), "ptmx", flags, ResolveFlag::RESOLVE_NO_XDEV).about("open /dev/pts/ptmx")?;
    let stat = fstat(&master)?;
    // TTYAUX_MAJOR and the minor that devpts gives it
    let is_ptmx = kind(stat.st_mode) == SFlag::S_IFCHR && stat.st_rdev == makedev(5, 2);
    if is_ptmx { Ok(master) } else { Err(explained("/dev/pts/ptmx is not a terminal multiplexer")) }
}

fn console_node(root: BorrowedFd<'_>) -> Result<OwnedFd, Fault> {
    let dev = below(root, "dev", OFlag::O_PATH | OFlag::O_DIRECTORY, ResolveFlag::empty()).about("/dev")?;
    match mknodat(&dev, "console", SFlag::S_IFREG, Mode::from_bits_truncate(0o666), 0) {
        // Whether there is one on a read-only filesystem shows below.
        Ok(()) | Err(Errno::EEXIST | Errno::EROFS) => {}
        Err(errno) => return Err(Fault::new(errno, "make /dev/console")),
    }
    let node = below(dev.as_fd(), "console", OFlag::O_PATH, ResolveFlag::empty()).about("/dev/console")?;
    match kind(fstat(&node)?.st_mode) {
        SFlag::S_IFREG | SFlag::S_IFCHR => Ok(node),
        _ => Err(explained("/dev/console is neither a file nor a character device")),
    }
}

fn kind(mode: u32) -> SFlag {
    SFlag::from_bits_truncate(mode) & SFlag::S_IFMT
}

#[cfg(test)]
#[path = "console_tests.rs"]
mod tests;
