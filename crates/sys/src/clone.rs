//! clone3(2). Parent side makes the call; the child returns from it as init.

use crate::check;
use nix::unistd::Pid;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// libc's constant of this name overflows its type.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Caught signals go back to their default in the child (Linux 5.5): handlers of ours mean nothing there, and a process that
/// never executes would keep them. libc's constant of this name overflows its type.
pub const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;

/// What clone3 shall make.
#[derive(Debug, Clone, Copy)]
pub struct Clone3<'a> {
    /// `CLONE_NEW*` and other flags of clone(2); `CLONE_PIDFD` and `CLONE_INTO_CGROUP` are added as needed.
    pub flags: u64,
    /// Signal to the parent at exit; 0 with `CLONE_PARENT`.
    pub exit_signal: i32,
    /// Directory of a version 2 cgroup to start in.
    pub cgroup: Option<BorrowedFd<'a>>,
}

/// Which side of the clone this is.
#[derive(Debug)]
pub enum Cloned {
    /// The caller, with the new process.
    Parent {
        /// In the caller's pid namespace.
        pid: Pid,
        /// Refers to it.
        pidfd: OwnedFd,
    },
    /// The new process.
    Child,
}

/// Clones without sharing memory, as fork does, with the caller's stack.
///
/// # Errors
/// As clone3(2); `EBUSY`, `EACCES`, `EOPNOTSUPP` and `ENOSYS` can speak of the cgroup.
pub fn clone3(request: Clone3<'_>) -> nix::Result<Cloned> {
    let mut pidfd: libc::c_int = -1;
    // SAFETY: clone_args is plain integers, for which zero is valid.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = request.flags | libc::CLONE_PIDFD as u64;
    args.pidfd = &raw mut pidfd as u64;
    args.exit_signal = request.exit_signal as u64;
    if let Some(cgroup) = request.cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd() as u64;
    }
    // SAFETY: no CLONE_VM and no stack: the child runs on a copy of this stack; callers are single-threaded (launch tests it),
    // so no lock is held by a thread that does not exist in the child.
    let pid = check(unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<libc::clone_args>()) })?;
    if pid == 0 {
        return Ok(Cloned::Child);
    }
    // SAFETY: clone3 succeeded with CLONE_PIDFD, so the kernel stored a new descriptor that nobody else owns.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Cloned::Parent { pid: Pid::from_raw(pid as i32), pidfd })
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::wait::{WaitStatus, waitpid};

    #[test]
    fn child_exits_with_its_own_code() {
        let request = Clone3 { flags: 0, exit_signal: libc::SIGCHLD, cgroup: None };
        match clone3(request).unwrap() {
            Cloned::Child => crate::exit_now(7),
            Cloned::Parent { pid, .. } => assert_eq!(waitpid(pid, None), Ok(WaitStatus::Exited(pid, 7))),
        }
    }
}
