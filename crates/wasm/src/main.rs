//! `skiff-wasm`: the runtime with the WebAssembly engine. It does without Rust's own start-up, as `skiff` does.
#![no_main]
// The program's one symbol for the C library.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_int};

/// Called by the C library.
///
/// # Safety
/// `argv` is the C library's.
// SAFETY: the one symbol `main` of the program, with C's signature; nothing else defines it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn main(_argc: c_int, argv: *const *const c_char) -> c_int {
    // SAFETY: as the caller promises.
    skiff::main(unsafe { skiff_sys::Args::new(argv) }, Some(&skiff_wasm::WasmEdge)).into()
}
