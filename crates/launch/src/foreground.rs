//! A process in the foreground: forwards signals to it, relays its terminal, reaps, and hands on the exit code. Parent side.

use crate::console::receive_master;
use crate::create::{Request, create_with};
use crate::error::{Act, Error};
use crate::notify::Waiting;
use crate::process::Child;
use crate::relay::Relay;
use nix::errno::Errno;
use nix::poll::PollTimeout;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use std::os::fd::{AsFd, OwnedFd};

/// Creates, starts and waits for a container, forwarding every signal to it, then deletes it unless `keep`. The value is
/// what a shell would call its exit code: 128 plus the signal where one ended it; and what hooks complained of, for the log.
///
/// # Errors
/// The container cannot be created, started or deleted.
pub fn run_foreground(request: &Request<'_>, keep: bool) -> Result<(u8, Vec<String>), Error> {
    if request.plan.namespaces.new & libc::CLONE_NEWPID as u64 == 0 {
        // Then its orphans come to us.
        set_child_subreaper(true).act(|| "become a subreaper".into())?;
    }
    let terminal = request.plan.process.terminal.is_some() && request.console_socket.is_none();
    let (mut foreground, console) = Foreground::prepare(terminal)?;
    let created = create_with(request, console)?;
    if let Err(error) = foreground.relay() {
        return Err(created.give_up(error));
    }
    let foreground = match Waiting::begin(&created.dir).and_then(|notify| created.start().map(|()| notify)) {
        Ok(notify) => Foreground { notify, ..foreground },
        Err(error) => {
            drop(foreground);
            return Err(created.give_up(error));
        }
    };
    // Other commands may have it now.
    created.dir.unlock();
    // Nobody would delete it who does not know that it is left.
    let code = match foreground.wait(&created.init) {
        Ok(code) => code,
        Err(error) if created.dir.lock().is_ok() => return Err(created.give_up(error)),
        Err(error) => return Err(error),
    };
    if keep {
        return Ok((code, Vec::new()));
    }
    match created.dir.lock() {
        Ok(()) => Ok((code, created.remove()?)),
        // Somebody else was quicker to delete it.
        Err(skiff_state::Error::NotExist) => Ok((code, Vec::new())),
        Err(error) => Err(error.into()),
    }
}

/// What waiting for a process needs from before its clone on.
pub(crate) struct Foreground {
    signals: SigSet,
    /// Where init sends the terminal's master.
    socket: Option<OwnedFd>,
    relay: Option<Relay>,
    /// The container's word to a service manager is still to come.
    notify: Option<Waiting>,
}

impl Foreground {
    /// Before the clone: blocks signals, so that neither one of them nor the end of a short-lived process is missed. With
    /// `terminal`, the second value is what init gets as its console socket.
    pub(crate) fn prepare(terminal: bool) -> Result<(Self, Option<OwnedFd>), Error> {
        let signals = SigSet::all();
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&signals), None).act(|| "block signals".into())?;
        let mut foreground = Self { signals, socket: None, relay: None, notify: None };
        if !terminal {
            return Ok((foreground, None));
        }
        let pair = socketpair(AddressFamily::Unix, SockType::Stream, None, SockFlag::SOCK_CLOEXEC);
        let (ours, inits) = pair.act(|| "make a console socket".into())?;
        foreground.socket = Some(ours);
        Ok((foreground, Some(inits)))
    }

    /// When the process is ready: takes its terminal, if it has one.
    pub(crate) fn relay(&mut self) -> Result<(), Error> {
        if let Some(socket) = self.socket.take() {
            self.relay = Some(Relay::over_stdio(receive_master(socket.as_fd())?)?);
        }
        Ok(())
    }

    /// Waits for the end of the process; its exit code.
    pub(crate) fn wait(mut self, child: &Child) -> Result<u8, Error> {
        let events = Events::of(&self)?;
        loop {
            self.until_signal(events.as_ref(), child)?;
            let signal = skiff_sys::wait_signal(&self.signals).act(|| "wait for a signal".into())?;
            match (signal, &self.relay) {
                (libc::SIGCHLD, _) => {
                    if let Some(code) = reap(child)? {
                        return Ok(self.finish(code));
                    }
                }
                (libc::SIGWINCH, Some(relay)) => relay.resize(),
                // It may have ended meanwhile; its SIGCHLD comes next.
                _ => drop(skiff_sys::pidfd_send_signal(child.pidfd.as_fd(), signal)),
            }
        }
    }

    /// Does what is to be done between signals; without a relay or a word to wait for, that is nothing.
    fn until_signal(&mut self, events: Option<&Events>, child: &Child) -> Result<(), Error> {
        let Some(events) = events else { return Ok(()) };
        loop {
            match &mut self.relay {
                Some(relay) => relay.until(events.epoll.0.as_fd())?,
                None => drop(events.wait(PollTimeout::NONE)?),
            }
            if events.wait(PollTimeout::ZERO)?.contains(&SIGNAL) {
                return Ok(());
            }
            if let Some(notify) = &self.notify
                && notify.look(child.number())?
            {
                events.forget(notify)?;
                self.notify = None;
            }
        }
    }

    /// Hands on what the process has printed before its end.
    fn finish(self, code: u8) -> u8 {
        if let Some(relay) = self.relay {
            relay.drain();
        }
        code
    }
}

const SIGNAL: u64 = 0;
const NOTIFY: u64 = 1;

/// Signals and the container's word in one descriptor to wait for.
struct Events {
    epoll: Epoll,
    _signals: SignalFd,
}

impl Events {
    /// `None` where there is nothing to wait for but signals.
    fn of(foreground: &Foreground) -> Result<Option<Self>, Error> {
        if foreground.relay.is_none() && foreground.notify.is_none() {
            return Ok(None);
        }
        let act = || "watch for signals".into();
        let signals = SignalFd::with_flags(&foreground.signals, SfdFlags::SFD_CLOEXEC).act(act)?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).act(act)?;
        epoll.add(&signals, EpollEvent::new(EpollFlags::EPOLLIN, SIGNAL)).act(act)?;
        if let Some(notify) = &foreground.notify {
            epoll.add(notify.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, NOTIFY)).act(act)?;
        }
        Ok(Some(Self { epoll, _signals: signals }))
    }

    fn wait(&self, timeout: PollTimeout) -> Result<Vec<u64>, Error> {
        let timeout = EpollTimeout::try_from(i32::from(timeout)).unwrap_or(EpollTimeout::NONE);
        let mut events = [EpollEvent::empty(); 2];
        match self.epoll.wait(&mut events, timeout) {
            Err(Errno::EINTR) => Ok(Vec::new()),
            other => Ok(events.iter().take(other.act(|| "wait for the container".into())?).map(EpollEvent::data).collect()),
        }
    }

    fn forget(&self, notify: &Waiting) -> Result<(), Error> {
        self.epoll.delete(notify.as_fd()).act(|| "watch for signals".into())
    }
}

/// Reaps whatever has ended, up to the process; its exit code, if it was among it.
fn reap(child: &Child) -> Result<Option<u8>, Error> {
    while let Some((pid, code)) = skiff_sys::reap_any().act(|| "wait for the container".into())? {
        if pid == child.pid {
            return Ok(Some(code));
        }
    }
    Ok(None)
}
