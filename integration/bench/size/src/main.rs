//! skiff, and a call into each library that later work plans to link. Built for its size (README.md).
#![no_main]

mod leaves;

use std::ffi::{c_char, c_int};

/// Called by the C library, as in skiff's own main.
///
/// # Safety
/// `argv` is the C library's.
// SAFETY: the one symbol `main` of the program, with C's signature; nothing else defines it.
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn main(argc: c_int, argv: *const *const c_char) -> c_int {
    // Nothing that the compiler can know beforehand, so that both sides stay.
    if argc > 100 {
        return leaves::call();
    }
    // SAFETY: as the caller promises.
    skiff::main(unsafe { skiff_sys::Args::new(argv) }, None).into()
}
