//! systemd's notification protocol (sd_notify(3)), where the runtime was started with `NOTIFY_SOCKET`: the container gets a
//! socket of ours in a directory that is mounted into it; its READY=1 goes on to the host's socket, with its init as MAINPID.
//! Parent side.
//!
//! The directory is made by `create`, so that it can be mounted; the socket in it by the process that will wait, `start`.

use crate::error::{Act, Error};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, bind, connect, recv, send, socket};
use nix::sys::stat::{FchmodatFlags, Mode, fchmodat};
use nix::unistd::{UnlinkatFlags, mkdir, pipe2, unlinkat};
use skiff_plan::{AttrChange, InitOp, Mount, MountKind, Plan};
use skiff_state::{StateDir, Store};
use skiff_sys::mount::attr;
use std::ffi::{CString, OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// In the state directory.
const DIRECTORY: &str = "notify";
/// Of the socket, in the directory and in the container.
const NAME: &str = "notify.sock";
/// Where the directory is mounted in the container; runc's place.
pub(crate) const IN_CONTAINER: &str = "/run/notify";
/// What the container's process finds in its environment.
pub(crate) const VARIABLE: &str = "NOTIFY_SOCKET=/run/notify/notify.sock";
/// How long systemd may take to close the pipe of a BARRIER=1, in milliseconds. Not every manager knows it.
const BARRIER: u16 = 30_000;
/// Longest message of a container that is read, in bytes.
const MESSAGE: usize = 4096;

/// The service manager's socket, where the runtime was started by one.
#[must_use]
pub(crate) fn manager() -> Option<OsString> {
    std::env::var_os("NOTIFY_SOCKET").filter(|socket| !socket.is_empty())
}

/// Where the runtime was started by a service manager, the container gets a socket to notify: a mount and a variable more. To
/// be called before create, with [`crate::Request::notify`] as its answer.
pub fn offer_notify(plan: &mut Plan, store: &Store, id: &str) -> bool {
    if manager().is_none() {
        return false;
    }
    let mount = Mount {
        index: plan.init_ops.iter().filter(|op| matches!(op, InitOp::Mount(_))).count(),
        destination: IN_CONTAINER.into(),
        no_symlinks: false,
        kind: MountKind::Bind { source: store.root().join(id).join(DIRECTORY), recursive: false },
        attr: AttrChange { set: attr::RDONLY | attr::NOSUID | attr::NODEV | attr::NOEXEC, clear: 0 },
        recursive_attr: AttrChange::default(),
        propagation: Vec::new(),
    };
    let last = plan.init_ops.iter().rposition(|op| matches!(op, InitOp::Mount(_) | InitOp::AttachRoot { .. }));
    plan.init_ops.insert(last.map_or(0, |last| last + 1), InitOp::Mount(mount));
    plan.process.env.extend(CString::new(VARIABLE));
    true
}

/// Makes the directory for the socket in the state directory, for everybody in the container.
pub(crate) fn make_directory(state: &Path) -> Result<PathBuf, Error> {
    let path = state.join(DIRECTORY);
    let act = || format!("make {}", path.display());
    mkdir(&path, Mode::from_bits_truncate(0o755)).act(act)?;
    fchmodat(nix::fcntl::AT_FDCWD, &path, Mode::from_bits_truncate(0o755), FchmodatFlags::FollowSymlink).act(act)?;
    Ok(path)
}

/// What waits for the container's word, where it was offered a socket.
pub(crate) struct Waiting {
    socket: NotifySocket,
    manager: OsString,
}

impl Waiting {
    /// Before the container starts.
    pub(crate) fn begin(dir: &StateDir) -> Result<Option<Self>, Error> {
        let directory = dir.path().join(DIRECTORY);
        match manager() {
            Some(manager) if directory.is_dir() => Ok(Some(Self { socket: NotifySocket::bind(&directory)?, manager })),
            _ => Ok(None),
        }
    }

    /// Until the container is ready, or has ended.
    pub(crate) fn until_ready(&self, pid: u32, pidfd: BorrowedFd<'_>) -> Result<(), Error> {
        self.socket.relay(&self.manager, pid, pidfd)
    }

    /// Readable when [`Waiting::look`] has something to do.
    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Hands the container's word on, if it has come; true then.
    pub(crate) fn look(&self, pid: u32) -> Result<bool, Error> {
        let ready = self.socket.ready()?;
        if ready {
            tell_ready(&self.manager, pid)?;
        }
        Ok(ready)
    }
}

/// The socket that the container notifies.
#[derive(Debug)]
pub(crate) struct NotifySocket(OwnedFd);

impl NotifySocket {
    /// Binds it in `directory`, in place of one that a start that was killed has left.
    pub(crate) fn bind(directory: &Path) -> Result<Self, Error> {
        let act = || format!("bind {}", directory.join(NAME).display());
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let dir = open(directory, flags, Mode::empty()).act(act)?;
        match unlinkat(&dir, NAME, UnlinkatFlags::NoRemoveDir) {
            Err(Errno::ENOENT) => {}
            other => other.act(act)?,
        }
        let socket = socket(AddressFamily::Unix, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None).act(act)?;
        // An address has 107 bytes, which ids alone can fill.
        let address = format!("/proc/self/fd/{}/{NAME}", dir.as_raw_fd());
        bind(socket.as_raw_fd(), &UnixAddr::new(address.as_str()).act(act)?).act(act)?;
        fchmodat(&dir, NAME, Mode::from_bits_truncate(0o777), FchmodatFlags::FollowSymlink).act(act)?;
        Ok(Self(socket))
    }

    /// Readable when the container has said something: for [`NotifySocket::ready`].
    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// The container has said READY=1. Does not wait; what else it says is dropped, as by runc.
    pub(crate) fn ready(&self) -> Result<bool, Error> {
        let mut message = [0; MESSAGE];
        loop {
            match recv(self.0.as_raw_fd(), &mut message, MsgFlags::MSG_DONTWAIT) {
                Ok(length) if message[..length].split(|&byte| byte == b'\n').any(|line| line == b"READY=1") => return Ok(true),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(false),
                Err(errno) => return Err(Error::Call("read what the container notifies".into(), errno)),
            }
        }
    }

    /// Waits until the container is ready and tells `host`, or until it has ended.
    pub(crate) fn relay(&self, host: &OsStr, pid: u32, pidfd: BorrowedFd<'_>) -> Result<(), Error> {
        loop {
            let mut fds = [PollFd::new(self.as_fd(), PollFlags::POLLIN), PollFd::new(pidfd, PollFlags::POLLIN)];
            match poll(&mut fds, PollTimeout::NONE) {
                Err(Errno::EINTR) => continue,
                other => other.act(|| "wait for the container to be ready".into())?,
            };
            let ended = fds[1].any() == Some(true);
            if self.ready()? {
                return tell_ready(host, pid);
            }
            if ended {
                return Ok(());
            }
        }
    }
}

/// Tells the manager at `host`, the value of `NOTIFY_SOCKET`, that the service is ready, and which process it is. Returns when
/// the manager has read that, so that the end of this process cannot come before it.
pub(crate) fn tell_ready(host: &OsStr, pid: u32) -> Result<(), Error> {
    let act = || format!("notify NOTIFY_SOCKET {}", host.display());
    let manager = socket(AddressFamily::Unix, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None).act(act)?;
    connect(manager.as_raw_fd(), &address(host).act(act)?).act(act)?;
    send(manager.as_raw_fd(), format!("MAINPID={pid}\nREADY=1\n").as_bytes(), MsgFlags::MSG_NOSIGNAL).act(act)?;
    let (barrier, theirs) = pipe2(OFlag::O_CLOEXEC).act(act)?;
    skiff_sys::send_fd(manager.as_fd(), theirs.as_fd(), b"BARRIER=1").act(act)?;
    drop(theirs);
    let mut fds = [PollFd::new(barrier.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::from(BARRIER)).act(act).map(drop)
}

/// A path, or a name in the abstract namespace behind an `@`.
fn address(host: &OsStr) -> nix::Result<UnixAddr> {
    match host.as_bytes().strip_prefix(b"@") {
        Some(name) => UnixAddr::new_abstract(name),
        None => UnixAddr::new(host),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::net::UnixDatagram;
    use std::process::{Child, Command};
    use std::thread::{JoinHandle, spawn};

    fn scratch(name: &str) -> PathBuf {
        // Longer than an address may be.
        let name = format!("skiff-notify-{name}-{}-{}", std::process::id(), "x".repeat(120));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    fn container() -> (Child, OwnedFd) {
        let child = Command::new("/bin/sleep").arg("60").spawn().unwrap();
        let pidfd = skiff_sys::pidfd_open(child.id()).unwrap();
        (child, pidfd)
    }

    fn end(mut child: Child) {
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// A manager that reads one message and one barrier.
    fn manager(path: &Path) -> JoinHandle<String> {
        let socket = UnixDatagram::bind(path).unwrap();
        spawn(move || {
            let mut message = [0; 100];
            let length = socket.recv(&mut message).unwrap();
            drop(skiff_sys::receive_fd(socket.as_fd()).unwrap());
            String::from_utf8_lossy(&message[..length]).into_owned()
        })
    }

    fn client(directory: &Path) -> UnixDatagram {
        let dir = open(directory, OFlag::O_PATH, Mode::empty()).unwrap();
        let client = UnixDatagram::unbound().unwrap();
        client.connect(format!("/proc/self/fd/{}/{NAME}", dir.as_raw_fd())).unwrap();
        client
    }

    #[test]
    fn ready_goes_to_the_host_with_the_containers_init() {
        let state = scratch("ready");
        let directory = make_directory(&state).unwrap();
        assert_eq!(std::fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o755);
        drop(NotifySocket::bind(&directory).unwrap());
        // A start that was killed has left one.
        let socket = NotifySocket::bind(&directory).unwrap();
        assert_eq!(std::fs::metadata(directory.join(NAME)).unwrap().mode() & 0o777, 0o777);
        let host = std::env::temp_dir().join(format!("skiff-notify-{}", std::process::id()));
        let manager = manager(&host);
        let (child, pidfd) = container();
        let client = client(&directory);
        client.send(b"STATUS=on its way").unwrap();
        client.send(b"STATUS=there\nREADY=1\n").unwrap();
        socket.relay(host.as_os_str(), child.id(), pidfd.as_fd()).unwrap();
        assert_eq!(manager.join().unwrap(), format!("MAINPID={}\nREADY=1\n", child.id()));
        end(child);
        std::fs::remove_file(host).unwrap();
        std::fs::remove_dir_all(state).unwrap();
    }

    #[test]
    fn a_container_that_ends_unready_is_not_waited_for() {
        let state = scratch("ended");
        let socket = NotifySocket::bind(&make_directory(&state).unwrap()).unwrap();
        let (child, pidfd) = container();
        let pid = child.id();
        end(child);
        socket.relay(OsStr::new("/no/such"), pid, pidfd.as_fd()).unwrap();
        std::fs::remove_dir_all(state).unwrap();
    }

    #[test]
    fn abstract_names_and_missing_managers() {
        assert_eq!(address(OsStr::new("@systemd")).unwrap().as_abstract(), Some(b"systemd".as_slice()));
        let refusal = tell_ready(OsStr::new("/no/such"), 1).unwrap_err().to_string();
        assert_eq!(refusal, "notify NOTIFY_SOCKET /no/such: no such file or directory");
    }
}
