//! Signals as execve would hand them on: init leaves none ignored and none blocked.

use crate::check;
use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};

/// Resets the signals in `ignored` (bit n-1 for signal n, as `SigIgn` of proc(5)) to their default. execve resets
/// caught ones itself and keeps ignored ones.
///
/// # Errors
/// As sigaction(2).
pub fn reset_dispositions(ignored: u64) -> nix::Result<()> {
    // The kernel's own structure: handler, flags, restorer, mask; all zero is the default disposition.
    let default = [0u64; 4];
    let old = std::ptr::null_mut::<u64>();
    for signal in (1..=64).filter(|signal| ignored >> (signal - 1) & 1 == 1 && ![libc::SIGKILL, libc::SIGSTOP].contains(signal)) {
        // SAFETY: the kernel reads one structure and writes none. The raw call, since glibc refuses the two real-time signals
        // that it keeps to itself, and callers may leave those ignored, too.
        check(unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), old, size_of::<u64>()) })?;
    }
    Ok(())
}

/// Lets children go away when they end, without anybody waiting for them (sigaction(2), `SA_NOCLDWAIT`).
///
/// # Errors
/// As sigaction(2).
pub fn reap_children_at_once() -> nix::Result<()> {
    use nix::sys::signal::{SaFlags, SigAction, SigHandler, Signal, sigaction};
    let action = SigAction::new(SigHandler::SigDfl, SaFlags::SA_NOCLDWAIT, SigSet::empty());
    // SAFETY: the default action runs no code of ours.
    unsafe { sigaction(Signal::SIGCHLD, &action) }.map(drop)
}

/// Unblocks every signal.
///
/// # Errors
/// As sigprocmask(2).
pub fn empty_mask() -> nix::Result<()> {
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)
}

/// Waits for one of `signals`, which are blocked, and gives its number: real-time signals, too, which nix refuses.
///
/// # Errors
/// As sigwaitinfo(2), without `EINTR`.
pub fn wait_signal(signals: &SigSet) -> nix::Result<i32> {
    loop {
        // SAFETY: the set outlives the call, and no information is asked for.
        match Errno::result(unsafe { libc::sigwaitinfo(signals.as_ref(), std::ptr::null_mut()) }) {
            Err(Errno::EINTR) => {}
            other => return other,
        }
    }
}
