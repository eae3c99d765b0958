//! The `skiff` binary. It does without Rust's own start-up, which every start of a container would pay for twice: it reads the
//! memory map to guard a stack that never grows deep, and ignores SIGPIPE, which a container must not inherit.
#![no_main]

use std::ffi::{c_char, c_int};

/// Called by the C library.
///
/// # Safety
/// `argv` is the C library's.
// SAFETY: the one symbol `main` of the program, with C's signature; nothing else defines it.
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn main(_argc: c_int, argv: *const *const c_char) -> c_int {
    // SAFETY: as the caller promises.
    skiff::main(unsafe { skiff_sys::Args::new(argv) }, None).into()
}
