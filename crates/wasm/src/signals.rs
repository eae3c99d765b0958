//! Signals that end a run at once, in every state of the engine, and the wall clock. A guest cannot install handlers, and the
//! first process of a PID namespace ignores what has none: without these it could only be killed.

use crate::fault;
use std::os::raw::c_int;
use std::time::Duration;

/// Exit code when the wall-clock limit is reached, as timeout(1)'s.
pub(crate) const TIMED_OUT: c_int = 124;

const ENDING: [c_int; 4] = [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT];

/// TERM, INT, HUP and QUIT end the process with 128 plus their number.
pub(crate) fn end_at_once() {
    for signal in ENDING {
        fault::handle(signal, end);
    }
    unblock(&ENDING);
}

extern "C" fn end(signal: c_int) {
    // SAFETY: async-signal-safe, and does not return.
    unsafe { libc::_exit(128 + signal) }
}

/// Ends the process when `limit` is over, from now. Needs no thread.
pub(crate) fn end_after(limit: Duration) {
    fault::handle(libc::SIGALRM, time_is_over);
    unblock(&[libc::SIGALRM]);
    // A timer of zero would be none.
    let limit = limit.max(Duration::from_micros(1));
    let value =
        libc::timeval { tv_sec: limit.as_secs().min(i64::MAX as u64) as libc::time_t, tv_usec: limit.subsec_micros().into() };
    let timer = libc::itimerval { it_interval: libc::timeval { tv_sec: 0, tv_usec: 0 }, it_value: value };
    // SAFETY: the kernel reads one itimerval of ours; the old one is not asked for.
    unsafe { libc::setitimer(libc::ITIMER_REAL, &timer, std::ptr::null_mut()) };
}

extern "C" fn time_is_over(_: c_int) {
    fault::say_and_exit("wasm: ended: the wall-clock limit is reached\n", TIMED_OUT);
}

fn unblock(signals: &[c_int]) {
    // SAFETY: an integer array, for which zero is valid.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    for &signal in signals {
        // SAFETY: a set of ours, a valid number.
        unsafe { libc::sigaddset(&mut set, signal) };
    }
    // SAFETY: the set was filled above; the old mask is not asked for. One thread exists.
    unsafe { libc::sigprocmask(libc::SIG_UNBLOCK, &set, std::ptr::null_mut()) };
}
