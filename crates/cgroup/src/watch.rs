//! Waiting for what happens to a container: an interval passes, its memory is exhausted, it ends. One poll(2) over
//! descriptors; nothing is asked again and again. Parent side.

use crate::Error;
use crate::files::{Dir, gone, number, read_all};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

/// What [`Watch::wait`] waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// An interval has passed, or more than one.
    Interval,
    /// A process was killed for want of memory, or more than one; on version 1, a limit of memory was exceeded.
    Oom,
    /// The container has ended, or nobody reads any more what is said of it.
    End,
}

/// The descriptors that tell.
#[derive(Debug)]
pub struct Watch<'o> {
    timer: TimerFd,
    /// `None` once the first process has ended.
    init: Option<OwnedFd>,
    /// `cgroup.events`, which tells whether other processes are left; `None` where no hierarchy has it.
    events: Option<OwnedFd>,
    oom: Option<Oom>,
    output: BorrowedFd<'o>,
}

impl<'o> Watch<'o> {
    pub(crate) fn new(
        init: OwnedFd,
        interval: Duration,
        output: BorrowedFd<'o>,
        oom: Option<Oom>,
        events: Option<OwnedFd>,
    ) -> Result<Watch<'o>, Error> {
        let timer = timer(interval).map_err(|errno| Error::path("set", Path::new("timerfd"), errno))?;
        Ok(Watch { timer, init: Some(init), events, oom, output })
    }

    /// False without the memory controller: then nothing can tell.
    #[must_use]
    pub fn sees_oom(&self) -> bool {
        self.oom.is_some()
    }

    /// Waits for the next event. [`Event::Oom`] comes before the end that it leads to, and [`Event::End`] comes again
    /// and again.
    ///
    /// # Errors
    /// As poll(2) and read(2).
    pub fn wait(&mut self) -> Result<Event, Error> {
        loop {
            let read = self.poll()?;
            if self.out_of_memory()? {
                return Ok(Event::Oom);
            }
            if !read || self.ended()? {
                return Ok(Event::End);
            }
            if self.timer.wait().is_ok() {
                return Ok(Event::Interval);
            }
        }
    }

    /// Returns when there may be something; false when the output has lost its reader.
    fn poll(&mut self) -> Result<bool, Error> {
        let mut fds = vec![PollFd::new(self.output, PollFlags::empty()), PollFd::new(self.timer.as_fd(), PollFlags::POLLIN)];
        fds.extend(self.oom.as_ref().map(Oom::poll_fd));
        // First one, then the other: the cgroup changes more often than it matters.
        fds.extend(match (&self.init, &self.events) {
            (Some(init), _) => Some(PollFd::new(init.as_fd(), PollFlags::POLLIN)),
            (None, Some(events)) => Some(PollFd::new(events.as_fd(), PollFlags::POLLPRI)),
            (None, None) => None,
        });
        loop {
            match poll(&mut fds, PollTimeout::NONE) {
                Ok(_) => break,
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(Error::path("poll", Path::new("the container's cgroup"), errno)),
            }
        }
        Ok(fds.first().and_then(PollFd::any) == Some(false))
    }

    fn out_of_memory(&mut self) -> Result<bool, Error> {
        let Some(oom) = &mut self.oom else { return Ok(false) };
        match oom.happened() {
            Ok(happened) => Ok(happened),
            Err(errno) if gone(errno) => {
                // It would poll as ready for ever.
                self.oom = None;
                Ok(false)
            }
            Err(errno) => Err(Error::path("read", Path::new("memory.events"), errno)),
        }
    }

    /// Init has ended, and so has every other process as far as anything tells.
    fn ended(&mut self) -> Result<bool, Error> {
        if self.init.as_ref().is_some_and(|init| !readable(init.as_fd())) {
            return Ok(false);
        }
        self.init = None;
        let Some(events) = &self.events else { return Ok(true) };
        match read_all(events.as_fd()) {
            Ok(text) => Ok(number(&text, "populated") != Some(1)),
            Err(errno) if gone(errno) => Ok(true),
            Err(errno) => Err(Error::path("read", Path::new("cgroup.events"), errno)),
        }
    }
}

fn timer(interval: Duration) -> nix::Result<TimerFd> {
    let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?;
    timer.set(Expiration::Interval(TimeSpec::from_duration(interval)), TimerSetTimeFlags::empty())?;
    Ok(timer)
}

fn readable(fd: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::new(fd, PollFlags::POLLIN)];
    matches!(poll(&mut fds, PollTimeout::ZERO), Ok(1..))
}

/// How a cgroup tells that its memory was exhausted.
#[derive(Debug)]
pub(crate) enum Oom {
    /// Version 2: `memory.events`, and how many processes had been killed when it was read last.
    Counted { events: OwnedFd, seen: u64 },
    /// Version 1: `memory.oom_control`, and what the kernel counts its notices with.
    Signalled { control: OwnedFd, notices: EventFd },
}

impl Oom {
    /// What was before does not count. `None` without the memory controller.
    pub(crate) fn counted(dir: &Dir) -> Result<Option<Oom>, Error> {
        let Some(events) = reader(dir, "memory.events")? else { return Ok(None) };
        let text = read_all(events.as_fd()).map_err(|errno| dir.read_error("memory.events", errno))?;
        Ok(Some(Oom::Counted { events, seen: kills(&text) }))
    }

    /// `Documentation/admin-guide/cgroup-v1/memory.rst`, section 10. `None` when the cgroup is gone.
    pub(crate) fn signalled(dir: &Dir) -> Result<Option<Oom>, Error> {
        let Some(control) = reader(dir, "memory.oom_control")? else { return Ok(None) };
        let notices = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
            .map_err(|errno| Error::path("make", Path::new("eventfd"), errno))?;
        dir.put("cgroup.event_control", &format!("{} {}", notices.as_raw_fd(), control.as_raw_fd()))?;
        Ok(Some(Oom::Signalled { control, notices }))
    }

    fn poll_fd(&self) -> PollFd<'_> {
        match self {
            // kernfs: POLLPRI once the file has changed since it was read through this descriptor.
            Oom::Counted { events, .. } => PollFd::new(events.as_fd(), PollFlags::POLLPRI),
            Oom::Signalled { notices, .. } => PollFd::new(notices.as_fd(), PollFlags::POLLIN),
        }
    }

    /// Since it was asked last.
    fn happened(&mut self) -> nix::Result<bool> {
        match self {
            Oom::Counted { events, seen } => {
                let now = kills(&read_all(events.as_fd())?);
                Ok(now > std::mem::replace(seen, now))
            }
            Oom::Signalled { control, notices } => match notices.read() {
                // The removal of the cgroup is a notice, too.
                Ok(count) => Ok(count > u64::from(read_all(control.as_fd()).is_err_and(gone))),
                Err(Errno::EAGAIN) => Ok(false),
                Err(errno) => Err(errno),
            },
        }
    }
}

fn kills(events: &str) -> u64 {
    number(events, "oom_kill").unwrap_or(0)
}

/// `None` when the file is not there: the controller is absent, or the cgroup gone.
pub(crate) fn reader(dir: &Dir, file: &str) -> Result<Option<OwnedFd>, Error> {
    match dir.reader(file) {
        Ok(fd) => Ok(Some(fd)),
        Err(errno) if gone(errno) => Ok(None),
        Err(errno) => Err(dir.read_error(file, errno)),
    }
}
