//! A terminal with a person in front of it: what is typed goes in, what is printed comes out.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::stat::Mode;
use nix::sys::termios::{Termios, tcgetattr};
use nix::unistd::{read, write};

use super::wait_until;

/// A master, what has come from it so far, and the slave where it is ours.
pub struct Pty {
    master: OwnedFd,
    slave: Option<OwnedFd>,
    /// Everything that was printed.
    pub seen: String,
    /// Where [`Pty::expect`] goes on.
    read: usize,
}

impl Pty {
    /// A new terminal.
    pub fn new(rows: u16, columns: u16) -> Pty {
        // Close-on-exec from the start: a process that held the master would keep the window open.
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let master = posix_openpt(flags).expect("open a terminal");
        grantpt(&master).and_then(|()| unlockpt(&master)).expect("unlock the terminal");
        let name = ptsname_r(&master).expect("name the slave");
        let slave = open(name.as_str(), flags, Mode::empty()).expect("open the slave");
        let master = OwnedFd::from(master);
        skiff_sys::set_window_size(master.as_fd(), rows, columns).expect("set the size");
        Pty { slave: Some(slave), ..Pty::of(master) }
    }

    /// Around a master that came from elsewhere.
    pub fn of(master: OwnedFd) -> Pty {
        Pty { master, slave: None, seen: String::new(), read: 0 }
    }

    pub fn master(&self) -> BorrowedFd<'_> {
        self.master.as_fd()
    }

    /// The settings of the terminal.
    pub fn settings(&self) -> Termios {
        tcgetattr(self.slave.as_ref().expect("our terminal")).expect("read the settings")
    }

    /// Runs `command` as the leader of a session with this terminal.
    pub fn spawn(&self, command: &Command) -> Child {
        let slave = || Stdio::from(self.slave.as_ref().expect("our terminal").try_clone().expect("duplicate the slave"));
        let mut session = Command::new("setsid");
        session.arg("--ctty").arg(command.get_program()).args(command.get_args());
        session.current_dir(command.get_current_dir().expect("a directory"));
        for (name, value) in command.get_envs() {
            value.map(|value| session.env(name, value));
        }
        session.stdin(slave()).stdout(slave()).stderr(slave()).spawn().expect("start a session")
    }

    pub fn resize(&self, rows: u16, columns: u16) {
        skiff_sys::set_window_size(self.master.as_fd(), rows, columns).expect("set the size");
    }

    #[track_caller]
    pub fn send(&self, keys: &str) {
        let mut rest = keys.as_bytes();
        while !rest.is_empty() {
            rest = &rest[write(&self.master, rest).expect("type")..];
        }
    }

    /// Waits until `text` is printed, behind what was expected before; returns what came before it.
    #[track_caller]
    pub fn expect(&mut self, text: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(300);
        loop {
            if let Some(at) = self.seen[self.read..].find(text) {
                let before = self.seen[self.read..self.read + at].to_string();
                self.read += at + text.len();
                return before;
            }
            let alive = self.take(deadline);
            assert!(alive, "the terminal ended without {text:?}: {:?}", self.seen);
            assert!(Instant::now() < deadline, "waited in vain for {text:?}: {:?}", self.seen);
        }
    }

    /// Everything up to the end of the terminal.
    pub fn rest(&mut self) -> &str {
        self.slave = None;
        let deadline = Instant::now() + Duration::from_secs(300);
        while self.take(deadline) {
            assert!(Instant::now() < deadline, "no end: {:?}", self.seen);
        }
        &self.seen
    }

    /// Reads what is there; false at the end.
    fn take(&mut self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now()).min(Duration::from_millis(500));
        let mut fds = [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::try_from(left).expect("a timeout")).expect("poll the terminal");
        if fds[0].revents().is_none_or(|events| events.is_empty()) {
            return true;
        }
        let mut buffer = [0; 4096];
        match read(&self.master, &mut buffer) {
            Ok(0) | Err(Errno::EIO) => false,
            Ok(length) => {
                self.seen.push_str(&String::from_utf8_lossy(&buffer[..length]));
                true
            }
            Err(errno) => panic!("read the terminal: {errno}"),
        }
    }
}

/// Waits, bounded; the exit code, or minus the signal.
#[track_caller]
pub fn wait(mut child: Child) -> i32 {
    let mut status = None;
    wait_until("the end of a session", || {
        status = child.try_wait().expect("wait for a session");
        status.is_some()
    });
    let status = status.expect("a status");
    status.code().unwrap_or_else(|| -std::os::unix::process::ExitStatusExt::signal(&status).unwrap_or(0))
}
