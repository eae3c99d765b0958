//! A child of ours: killed and reaped by descriptor, so that its pid cannot mean another process. Parent side.

use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use std::os::fd::{AsFd, OwnedFd};

/// init, as the process that cloned it sees it.
#[derive(Debug)]
pub(crate) struct Child {
    pub pid: Pid,
    pub pidfd: OwnedFd,
}

impl Child {
    /// The pid as the state record has it.
    pub(crate) fn number(&self) -> u32 {
        self.pid.as_raw().unsigned_abs()
    }

    /// Waits for its end.
    pub(crate) fn reap(&self) -> nix::Result<WaitStatus> {
        loop {
            match waitid(Id::PIDFd(self.pidfd.as_fd()), WaitPidFlag::WEXITED) {
                Err(nix::errno::Errno::EINTR) => {}
                other => return other,
            }
        }
    }

    /// Ends it, whatever it does, and reaps it.
    pub(crate) fn kill(&self) {
        // Either may fail only because it is gone, which is what was wanted.
        let _ = skiff_sys::pidfd_send_signal(self.pidfd.as_fd(), libc::SIGKILL);
        let _ = self.reap();
    }
}

/// The signal that ended a process, if one did.
pub(crate) fn signal_of(status: WaitStatus) -> Option<i32> {
    match status {
        WaitStatus::Signaled(_, signal, _) => Some(signal as i32),
        _ => None,
    }
}
