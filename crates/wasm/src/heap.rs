//! A cap on what the engine's heap takes in one piece. The interpreter keeps the guest's stack in two vectors that grow without
//! limit, by doubling: endless recursion eats 230 MB a second until the memory cgroup's OOM killer ends it.
//!
//! C++ lets a program replace `operator new`; this one refuses what is larger than the cap while a module runs. Linear memories
//! are mapped, not allocated, and a table would need millions of entries: nothing else asks for pieces of that size.

use crate::fault::{TRAPPED, say_and_exit};
use std::os::raw::c_void;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The largest piece. Before it, all that both vectors hold is about as much again.
const CAP: usize = 64 << 20;
/// The smallest cap, however little memory there is: room for some ten thousand frames.
const LEAST: usize = 4 << 20;

static LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);

/// From here on the cap holds. It shrinks with the memory that the module may have, so that it is met before the cgroup's limit.
pub(crate) fn arm(max_memory: Option<u64>) {
    let share = max_memory.map_or(CAP, |bytes| usize::try_from(bytes / 8).unwrap_or(CAP));
    LIMIT.store(share.clamp(LEAST, CAP), Ordering::Relaxed);
}

/// The run is over.
pub(crate) fn disarm() {
    LIMIT.store(usize::MAX, Ordering::Relaxed);
}

/// C++'s `operator new(std::size_t)`, which the array forms call too.
// SAFETY: the symbol has the signature and the contract of the one it replaces, but that it ends the process where that would
// throw.
#[unsafe(no_mangle)]
pub extern "C" fn _Znwm(size: usize) -> *mut c_void {
    if size > LIMIT.load(Ordering::Relaxed) {
        say_and_exit(
            "wasm trap: call stack exhausted: endless or too deep recursion (the interpreter's stack is at its limit)\n",
            TRAPPED,
        );
    }
    // SAFETY: no preconditions; operator delete is the C++ library's, which calls free(3).
    let piece = unsafe { libc::malloc(size.max(1)) };
    if piece.is_null() {
        say_and_exit("wasm: the engine is out of memory\n", TRAPPED);
    }
    piece
}
