//! Sockets off: the module may import WasmEdge's socket functions without calling them, so they are there, and answer
//! ENOTCAPABLE.

use crate::engine::Host;
use crate::refusal::Refusal;
use std::os::raw::c_void;
use wasmedge_sys::ffi;

/// `notcapable` of WASI preview 1: no capability for it.
const ENOTCAPABLE: i32 = 76;

/// Puts a refusal in place of every socket function.
pub(crate) fn deny(wasi: &Host) -> Result<(), Refusal> {
    for name in wasi.functions().iter().filter(|name| name.starts_with("sock_")) {
        let Some(kind) = wasi.function(name) else { continue };
        wasi.add(name, kind, refuse)?;
    }
    Ok(())
}

unsafe extern "C" fn refuse(
    _data: *mut c_void,
    _frame: *const ffi::WasmEdge_CallingFrameContext,
    _parameters: *const ffi::WasmEdge_Value,
    returns: *mut ffi::WasmEdge_Value,
) -> ffi::WasmEdge_Result {
    // SAFETY: makes a value.
    let answer = unsafe { ffi::WasmEdge_ValueGenI32(ENOTCAPABLE) };
    // SAFETY: room for as many values as the type returns, and every socket function returns one errno.
    unsafe { *returns = answer };
    ffi::WasmEdge_Result { Code: 0 }
}
