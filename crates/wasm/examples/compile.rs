//! Compiles a module for the engine's tests: a universal file, the module with native code beside it. Wants the real LLVM, so it runs
//! as `PREFIX/compiler/ld.so --inhibit-rpath "" --library-path PREFIX/compiler compile FROM TO`.
// A few calls of the engine's C interface.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::process::ExitCode;
use wasmedge_sys::ffi;

fn main() -> ExitCode {
    let paths: Vec<_> = std::env::args().skip(1).filter_map(|arg| CString::new(arg).ok()).collect();
    let [from, to] = paths.as_slice() else { return ExitCode::from(2) };
    // SAFETY: no arguments.
    let config = unsafe { ffi::WasmEdge_ConfigureCreate() };
    // SAFETY: a live context.
    unsafe { ffi::WasmEdge_ConfigureCompilerSetOutputFormat(config, ffi::WasmEdge_CompilerOutputFormat_Wasm) };
    // SAFETY: a live context.
    let compiler = unsafe { ffi::WasmEdge_CompilerCreate(config) };
    // SAFETY: a live context and two NUL-terminated strings.
    let result = unsafe { ffi::WasmEdge_CompilerCompile(compiler, from.as_ptr(), to.as_ptr()) };
    // SAFETY: takes a value, looks at it.
    if unsafe { ffi::WasmEdge_ResultOK(result) } { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
