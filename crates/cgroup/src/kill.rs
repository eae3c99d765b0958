//! Signals to every process of a cgroup, and waiting for processes without asking again and again.

use crate::Error;
use crate::files::{Dir, gone, number, read_all};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// How long processes may take to die or to freeze: one in an uninterruptible sleep may never do either.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// How many processes are held by descriptor at a time.
const AT_ONCE: usize = 256;

/// The processes of the cgroup and of those below it, sorted, in the numbers of our pid namespace.
pub(crate) fn pids(dir: &Dir) -> Result<Vec<u32>, Error> {
    let mut pids = Vec::new();
    dir.each(&mut |dir| collect(dir, &mut pids))?;
    pids.sort_unstable();
    pids.dedup();
    // A process that our pid namespace does not show.
    pids.retain(|pid| *pid != 0);
    Ok(pids)
}

fn collect(dir: &Dir, pids: &mut Vec<u32>) -> Result<(), Error> {
    let text = match dir.read_list("cgroup.procs") {
        // A threaded cgroup names its processes at the root of the threaded subtree only.
        Err(Errno::EOPNOTSUPP) => dir.read_list("cgroup.threads"),
        other => other,
    };
    match text {
        Ok(text) => pids.extend(text.lines().filter_map(|line| line.parse::<u32>().ok())),
        Err(errno) if gone(errno) => {}
        Err(errno) => return Err(dir.read_error("cgroup.procs", errno)),
    }
    Ok(())
}

/// Sends `signal` to every process that is in the cgroup, past errors, and returns what refers to the last of them.
pub(crate) fn signal_each(dir: &Dir, signal: i32) -> Result<Vec<OwnedFd>, Error> {
    let mut errors = Vec::new();
    let mut last = Vec::new();
    // Not all at once: a soft limit of 1024 descriptors is common, and so are more processes than that.
    for pids in pids(dir)?.chunks(AT_ONCE) {
        last = hold(dir, pids, &mut errors)?;
        for process in &last {
            match skiff_sys::pidfd_send_signal(process.as_fd(), signal) {
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(errno) => errors.push(Error::path("signal a process of", dir.path(), errno)),
            }
        }
    }
    errors.truncate(1);
    Error::all(errors).map(|()| last)
}

/// Opens the processes. A pid may be reused between reading and opening it, so only those count that are still
/// listed once they are held.
fn hold(dir: &Dir, wanted: &[u32], errors: &mut Vec<Error>) -> Result<Vec<OwnedFd>, Error> {
    let mut held: Vec<(u32, OwnedFd)> = Vec::new();
    for &pid in wanted {
        match skiff_sys::pidfd_open(pid) {
            Ok(fd) => held.push((pid, fd)),
            // Ended meanwhile; EINVAL is a thread of a process that is listed elsewhere.
            Err(Errno::ESRCH | Errno::EINVAL) => {}
            Err(errno) => errors.push(Error::path("open a process of", dir.path(), errno)),
        }
    }
    let listed = pids(dir)?;
    held.retain(|(pid, _)| listed.binary_search(pid).is_ok());
    Ok(held.into_iter().map(|(_, fd)| fd).collect())
}

/// Waits until the processes have ended, at most until `deadline`; says whether they have.
pub(crate) fn wait_ended(processes: &[OwnedFd], deadline: Instant) -> bool {
    // One after the other: the last to end ends the wait in any order.
    processes.iter().all(|process| wait_for(process, PollFlags::POLLIN, deadline))
}

/// Waits until the number after `key` in the cgroup's `cgroup.events` is `wanted`; says whether it is. A cgroup that
/// is gone has nothing to wait for.
pub(crate) fn wait_event(dir: &Dir, key: &str, wanted: u64, deadline: Instant) -> Result<bool, Error> {
    let failed = |errno| dir.read_error("cgroup.events", errno);
    let events = match dir.reader("cgroup.events") {
        Err(errno) if gone(errno) => return Ok(true),
        other => other.map_err(failed)?,
    };
    loop {
        match read_all(events.as_fd()) {
            Ok(text) if number(&text, key) == Some(wanted) => return Ok(true),
            Ok(_) => {}
            Err(errno) if gone(errno) => return Ok(true),
            Err(errno) => return Err(failed(errno)),
        }
        // kernfs: POLLPRI once the file has changed since it was read through this descriptor.
        if !wait_for(&events, PollFlags::POLLPRI, deadline) {
            return Ok(false);
        }
    }
}

/// False when the time is up.
fn wait_for(fd: &OwnedFd, what: PollFlags, deadline: Instant) -> bool {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(fd.as_fd(), what)], timeout) {
            Ok(0) => return false,
            Ok(_) => return true,
            Err(Errno::EINTR) => {}
            Err(_) => return false,
        }
    }
}
