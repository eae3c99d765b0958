//! Signals as execve would hand them on: init leaves none ignored and none blocked.

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction, sigprocmask};

/// Resets the signals in `ignored` (bit n-1 for signal n, as `SigIgn` of proc(5)) to their default. execve resets
/// caught ones itself and keeps ignored ones.
///
/// # Errors
/// As sigaction(2).
pub fn reset_dispositions(ignored: u64) -> nix::Result<()> {
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    for signal in Signal::iterator().filter(|&signal| ignored >> (signal as i32 - 1) & 1 == 1) {
        if matches!(signal, Signal::SIGKILL | Signal::SIGSTOP) {
            continue;
        }
        // SAFETY: the default disposition runs no code of ours.
        unsafe { sigaction(signal, &default) }?;
    }
    reset_real_time(ignored)
}

/// nix names no real-time signals; a caller that ignores them is rare, so they cost nothing usually.
fn reset_real_time(ignored: u64) -> nix::Result<()> {
    for number in (32..=64).filter(|number| ignored >> (number - 1) & 1 == 1) {
        // SAFETY: integers only; glibc keeps 32 and 33 to itself and answers EINVAL, which is right to ignore.
        unsafe { libc::signal(number, libc::SIG_DFL) };
    }
    Ok(())
}

/// Unblocks every signal.
///
/// # Errors
/// As sigprocmask(2).
pub fn empty_mask() -> nix::Result<()> {
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)
}
