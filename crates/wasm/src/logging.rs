//! `wasi:logging/logging`: one line on stderr for each call. WasmEdge has it as a built-in plugin, which takes the guest's
//! context for a file name and appends to any file that the process may write, past all preopens; so it is ours.

use crate::engine::{Host, takes_i32};
use crate::refusal::Refusal;
use std::io::Write;
use std::os::raw::c_void;
use wasmedge_sys::ffi;

const LEVELS: [&str; 6] = ["trace", "debug", "info", "warn", "error", "critical"];
/// What one call can make us copy, in bytes.
const LONGEST: u32 = 64 << 10;

/// The host module.
pub(crate) fn module() -> Result<Host, Refusal> {
    let host = Host::new("wasi:logging/logging")?;
    host.add("log", takes_i32(5)?, log)?;
    Ok(host)
}

/// `log(level, context pointer, context length, message pointer, message length)`.
unsafe extern "C" fn log(
    _data: *mut c_void,
    frame: *const ffi::WasmEdge_CallingFrameContext,
    parameters: *const ffi::WasmEdge_Value,
    _returns: *mut ffi::WasmEdge_Value,
) -> ffi::WasmEdge_Result {
    // SAFETY: as many values as the type takes, which is five.
    let parameters = unsafe { std::slice::from_raw_parts(parameters, 5) };
    // SAFETY: each is an i32 by the type.
    let [level, context, context_length, message, message_length] =
        std::array::from_fn(|n| unsafe { ffi::WasmEdge_ValueGetI32(parameters[n]) } as u32);
    let (Some(context), Some(message)) = (read(frame, context, context_length), read(frame, message, message_length)) else {
        return ffi::WasmEdge_Result { Code: ffi::WasmEdge_ErrCode_MemoryOutOfBounds };
    };
    let level = LEVELS.get(level as usize).copied().unwrap_or("log");
    let mut line = format!("[{level}] ").into_bytes();
    if !context.is_empty() {
        line.extend([context.as_slice(), b": "].concat());
    }
    line.extend([message.as_slice(), b"\n"].concat());
    let _ = std::io::stderr().write_all(&line);
    ffi::WasmEdge_Result { Code: 0 }
}

/// Bytes of the guest's memory, cut to [`LONGEST`]; none if they are not all in it.
fn read(frame: *const ffi::WasmEdge_CallingFrameContext, offset: u32, length: u32) -> Option<Vec<u8>> {
    // SAFETY: the frame of the running call.
    let memory = unsafe { ffi::WasmEdge_CallingFrameGetMemoryInstance(frame, 0) };
    if memory.is_null() {
        return None;
    }
    let mut bytes = vec![0; length.min(LONGEST) as usize];
    // SAFETY: a live memory, and room for as many bytes as are asked for; the engine checks the offset.
    let result = unsafe { ffi::WasmEdge_MemoryInstanceGetData(memory, bytes.as_mut_ptr(), offset.into(), bytes.len() as u64) };
    // SAFETY: takes a value, looks at it.
    unsafe { ffi::WasmEdge_ResultOK(result) }.then_some(bytes)
}
