//! The terminal of a foreground process, where no client has a console socket: what the caller types goes to the master,
//! what the process prints comes from it. Parent side.
//!
//! Only the master is made non-blocking: the caller's stdin and stdout are shared with others, who would notice. So stdin is
//! read when it has something, and stdout gets no more at a time than it has said it takes.

use crate::error::{Act, Error};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::termios::{OutputFlags, SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::{getpgrp, isatty, read, tcgetpgrp, write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// What goes through at once, in bytes: a pipe that polls writable takes as much without blocking (`PIPE_BUF`).
const CHUNK: usize = 4096;
/// What the kernel can hold for a terminal after its process has ended, with room to spare, in bytes.
const LEFT: usize = 1 << 20;

/// See the module. Dropped, it gives the caller's terminal back as it was.
#[derive(Debug)]
pub(crate) struct Relay {
    master: Master,
    /// `None` after its end.
    input: Option<OwnedFd>,
    /// `None` when nobody reads it any more; what comes is thrown away then.
    output: Option<OwnedFd>,
    typed: Buffer,
    printed: Buffer,
    /// Held for its end.
    _raw: Option<Raw>,
}

impl Relay {
    /// Between the master and our stdin and stdout.
    pub(crate) fn over_stdio(master: OwnedFd) -> Result<Self, Error> {
        let owned = |fd: BorrowedFd<'_>| fd.try_clone_to_owned().act(|| "duplicate stdin and stdout".into());
        Self::new(master, owned(std::io::stdin().as_fd())?, owned(std::io::stdout().as_fd())?)
    }

    /// Between the master and any two descriptors. `input` goes raw if it is a terminal that we may use now; anything else
    /// is relayed all the same.
    pub(crate) fn new(master: OwnedFd, input: OwnedFd, output: OwnedFd) -> Result<Self, Error> {
        let to_terminal = isatty(&output) == Ok(true);
        let raw = Raw::begin(&input, to_terminal).act(|| "set the terminal to raw mode".into())?;
        let master = Master::new(master).act(|| "watch the container's terminal".into())?;
        if !(to_terminal && raw.is_some()) {
            master.clear_onlcr().act(|| "set up the container's terminal".into())?;
        }
        let (input, output) = (Some(input), Some(output));
        let relay = Self { master, input, output, typed: Buffer::default(), printed: Buffer::default(), _raw: raw };
        relay.resize();
        Ok(relay)
    }

    /// Relays until `signals` is readable, a signalfd, say.
    pub(crate) fn until(&mut self, signals: BorrowedFd<'_>) -> Result<(), Error> {
        while !self.step(signals)? {}
        Ok(())
    }

    /// One turn of [`Relay::until`]; true: `signals` is readable.
    pub(crate) fn step(&mut self, signals: BorrowedFd<'_>) -> Result<bool, Error> {
        self.exchange();
        let ready = match self.poll(signals) {
            Err(Errno::EINTR) => return Ok(false),
            other => other.act(|| "wait for the terminal".into())?,
        };
        if ready.master {
            self.master.look().act(|| "watch the container's terminal".into())?;
        }
        if ready.input {
            self.read_input();
        }
        if ready.output {
            self.write_output();
        }
        Ok(ready.signals)
    }

    /// Gives the window of the caller's terminal to the container's: at the beginning, and after SIGWINCH. One of unknown
    /// size has none to give.
    pub(crate) fn resize(&self) {
        let terminals = [self.input.as_ref(), self.output.as_ref()];
        let terminal =
            terminals.into_iter().flatten().find(|fd| skiff_sys::window_size(fd.as_fd()).is_ok_and(|size| size != (0, 0)));
        if let Some(terminal) = terminal {
            // Both are terminals, so this cannot fail in a way that matters.
            let _ = skiff_sys::copy_window_size(terminal.as_fd(), self.master.fd.as_fd());
        }
    }

    /// Hands on what the process has printed before its end, and gives the terminal back.
    pub(crate) fn drain(mut self) {
        self.master.readable = true;
        let mut left = LEFT;
        while left > 0 && (self.master.readable || !self.printed.is_empty()) {
            self.master.exchange(&mut Buffer::default(), &mut self.printed);
            left = left.saturating_sub(self.printed.len());
            while !self.printed.is_empty() {
                self.write_output();
            }
        }
    }

    fn exchange(&mut self) {
        self.master.exchange(&mut self.typed, &mut self.printed);
        while self.output.is_none() && !self.printed.is_empty() {
            self.printed = Buffer::default();
            self.master.exchange(&mut self.typed, &mut self.printed);
        }
    }

    fn poll(&self, signals: BorrowedFd<'_>) -> nix::Result<Ready> {
        let input = self.input.as_ref().filter(|_| self.typed.is_empty());
        let output = self.output.as_ref().filter(|_| !self.printed.is_empty());
        let mut fds = vec![PollFd::new(signals, PollFlags::POLLIN), PollFd::new(self.master.epoll.0.as_fd(), PollFlags::POLLIN)];
        fds.extend(input.map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN)));
        fds.extend(output.map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLOUT)));
        poll(&mut fds, PollTimeout::NONE)?;
        let mut any = fds.iter().map(|fd| fd.any() == Some(true));
        let mut next = |polled| polled && any.next() == Some(true);
        Ok(Ready { signals: next(true), master: next(true), input: next(input.is_some()), output: next(output.is_some()) })
    }

    fn read_input(&mut self) {
        let Some(input) = &self.input else { return };
        match self.typed.fill(|buffer| read(input, buffer)) {
            Ok(1..) | Err(Errno::EINTR | Errno::EAGAIN) => {}
            // As with runc the process hears nothing of it: its terminal is still there.
            Ok(0) | Err(_) => self.input = None,
        }
    }

    fn write_output(&mut self) {
        let written = match &self.output {
            None => Err(Errno::EPIPE),
            Some(output) => self.printed.empty(|bytes| write(output, bytes)),
        };
        match written {
            Ok(_) | Err(Errno::EINTR) => {}
            // Somebody else made it non-blocking.
            Err(Errno::EAGAIN) => self.wait_output(),
            Err(_) => {
                self.output = None;
                self.printed = Buffer::default();
            }
        }
    }

    fn wait_output(&self) {
        if let Some(output) = &self.output {
            let _ = poll(&mut [PollFd::new(output.as_fd(), PollFlags::POLLOUT)], PollTimeout::NONE);
        }
    }
}

/// What poll(2) has found.
struct Ready {
    signals: bool,
    master: bool,
    input: bool,
    output: bool,
}

/// The master. It is watched for changes and not for states: when the last slave is closed it would report that for ever,
/// but a process may open another one (systemd does so while it starts), so that this is no end.
#[derive(Debug)]
struct Master {
    fd: OwnedFd,
    epoll: Epoll,
    readable: bool,
    writable: bool,
}

impl Master {
    fn new(fd: OwnedFd) -> nix::Result<Self> {
        let flags = OFlag::from_bits_retain(fcntl(&fd, FcntlArg::F_GETFL)?);
        fcntl(&fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&fd, EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLET, 0))?;
        Ok(Self { fd, epoll, readable: true, writable: true })
    }

    /// Without it a line ends in a line feed alone, as programs that read our stdout expect; runc does the same.
    fn clear_onlcr(&self) -> nix::Result<()> {
        let mut settings = tcgetattr(&self.fd)?;
        settings.output_flags.remove(OutputFlags::ONLCR);
        tcsetattr(&self.fd, SetArg::TCSANOW, &settings)
    }

    fn look(&mut self) -> nix::Result<()> {
        let mut events = [EpollEvent::empty()];
        let count = match self.epoll.wait(&mut events, EpollTimeout::ZERO) {
            Err(Errno::EINTR) => 0,
            other => other?,
        };
        if count > 0 {
            self.readable |= events[0].events().intersects(EpollFlags::EPOLLIN | EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR);
            self.writable |= events[0].events().intersects(EpollFlags::EPOLLOUT);
        }
        Ok(())
    }

    /// Writes what was typed and reads what was printed, as far as there is room.
    fn exchange(&mut self, typed: &mut Buffer, printed: &mut Buffer) {
        while self.writable && !typed.is_empty() {
            match typed.empty(|bytes| write(&self.fd, bytes)) {
                Ok(1..) | Err(Errno::EINTR) => {}
                Ok(0) | Err(Errno::EAGAIN) => self.writable = false,
                // No process has the terminal open.
                Err(_) => *typed = Buffer::default(),
            }
        }
        while self.readable && printed.is_empty() {
            match printed.fill(|buffer| read(&self.fd, buffer)) {
                Ok(1..) | Err(Errno::EINTR) => {}
                // EIO: no process has the terminal open.
                Ok(0) | Err(_) => self.readable = false,
            }
        }
    }
}

/// Bytes on their way.
#[derive(Debug)]
struct Buffer {
    bytes: [u8; CHUNK],
    begin: usize,
    end: usize,
}

impl Default for Buffer {
    fn default() -> Self {
        Self { bytes: [0; CHUNK], begin: 0, end: 0 }
    }
}

impl Buffer {
    fn len(&self) -> usize {
        self.end - self.begin
    }

    fn is_empty(&self) -> bool {
        self.begin == self.end
    }

    /// Once it is empty.
    fn fill(&mut self, read: impl FnOnce(&mut [u8]) -> nix::Result<usize>) -> nix::Result<usize> {
        let length = read(&mut self.bytes)?;
        (self.begin, self.end) = (0, length);
        Ok(length)
    }

    fn empty(&mut self, write: impl FnOnce(&[u8]) -> nix::Result<usize>) -> nix::Result<usize> {
        let length = write(&self.bytes[self.begin..self.end])?;
        self.begin += length;
        Ok(length)
    }
}

/// The caller's terminal in raw mode: the container's does what a terminal does with what is typed.
#[derive(Debug)]
struct Raw {
    terminal: OwnedFd,
    before: Termios,
}

impl Raw {
    /// `None` if it is no terminal, or one that belongs to another job now. Where `output` is that terminal, too, it prints
    /// what comes as it comes; otherwise it keeps ending lines for those that print to it beside us.
    fn begin(terminal: &OwnedFd, output: bool) -> nix::Result<Option<Self>> {
        let another_jobs = tcgetpgrp(terminal).is_ok_and(|group| group != getpgrp());
        if isatty(terminal) != Ok(true) || another_jobs {
            return Ok(None);
        }
        let terminal = terminal.try_clone().map_err(|_| Errno::EMFILE)?;
        let before = tcgetattr(&terminal)?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        if !output {
            raw.output_flags = before.output_flags;
        }
        tcsetattr(&terminal, SetArg::TCSANOW, &raw)?;
        Ok(Some(Self { terminal, before }))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // It may be gone, and then nobody misses it.
        let _ = tcsetattr(&self.terminal, SetArg::TCSANOW, &self.before);
    }
}

#[cfg(test)]
#[path = "relay_tests.rs"]
mod tests;
