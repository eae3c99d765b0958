//! `kill`: a signal to init, or to every process of the container. Takes no lock: it must work while something else hangs.
//! Parent side.

use crate::error::{Act, Error};
use crate::status::status;
use nix::errno::Errno;
use skiff_cgroup::Cgroup;
use skiff_state::{Init, NOT_RUNNING, Record, StateDir, Status, start_time};
use std::os::fd::{AsFd, OwnedFd};

/// Sends `signal` to init; with `all`, to every process of the cgroup, and then a stopped container is no error.
///
/// # Errors
/// `container not running`, or the kernel refuses.
pub fn kill(dir: &StateDir, signal: i32, all: bool) -> Result<(), Error> {
    let (record, status) = status(dir)?;
    // Without a pid namespace of its own the container's other processes outlive its init.
    let everyone = all || signal == libc::SIGKILL && !record.new_pid_namespace;
    if everyone && record.cgroup.version != 0 && (all || status != Status::Stopped) {
        return Ok(Cgroup::open(&record.cgroup).signal_all(signal)?);
    }
    match (status, record.init.as_ref()) {
        (Status::Created | Status::Running | Status::Paused, Some(init)) => signal_init(&record, init, signal),
        _ if all => Ok(()),
        _ => Err(not_running()),
    }
}

fn not_running() -> Error {
    Error::Status(NOT_RUNNING.into())
}

fn signal_init(record: &Record, init: &Init, signal: i32) -> Result<(), Error> {
    let pidfd = open(init)?.ok_or_else(not_running)?;
    match skiff_sys::pidfd_send_signal(pidfd.as_fd(), signal) {
        Err(Errno::ESRCH) => return Err(not_running()),
        other => other.act(|| format!("send signal {signal} to process {}", init.pid))?,
    }
    if signal == libc::SIGKILL && record.cgroup.version == 1 {
        Cgroup::open(&record.cgroup).let_end()?;
    }
    Ok(())
}

/// A descriptor of the container's first process, which polls readable once it has ended; `None` when it has.
///
/// # Errors
/// The process cannot be opened, or nothing be read of it.
pub fn init_fd(record: &Record) -> Result<Option<OwnedFd>, Error> {
    record.init.as_ref().map_or(Ok(None), open)
}

/// A descriptor of init, if the process with its pid is still the one recorded.
pub(crate) fn open(init: &Init) -> Result<Option<OwnedFd>, Error> {
    let pidfd = match skiff_sys::pidfd_open(init.pid) {
        Err(Errno::ESRCH) => return Ok(None),
        other => other.act(|| format!("open process {}", init.pid))?,
    };
    // Compared after the open: a pid that was reused before has another start time.
    let same = start_time(init.pid)?.is_some_and(|(time, _)| time == init.start_time);
    Ok(same.then_some(pidfd))
}
