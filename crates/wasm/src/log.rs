//! What the engine logs. Its own sink is stdout, which is the container's; here the last lines are kept, because a trap's place
//! is told nowhere else, and nothing is printed.

use crate::engine;
use std::sync::{Mutex, PoisonError};
use wasmedge_sys::ffi;

/// More than the longest report; what a guest can make the engine log must not grow.
const KEPT: usize = 16;
const LONGEST: usize = 4096;

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Takes the engine's log over. Before anything else is asked of it.
pub(crate) fn take_over() {
    // SAFETY: a function of the right signature that lives for ever.
    unsafe { ffi::WasmEdge_LogSetCallback(Some(receive)) };
}

unsafe extern "C" fn receive(message: *const ffi::WasmEdge_LogMessage) {
    // SAFETY: the engine passes a message that lives during the call.
    let message = unsafe { &*message };
    if message.Level < ffi::WasmEdge_LogLevel_Error {
        return;
    }
    let line: String = engine::text(message.Message).chars().take(LONGEST).collect();
    let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    // The first line of a report; what came before belongs to something that the guest survived.
    if line.contains(" failed: ") || lines.len() == KEPT {
        lines.clear();
    }
    lines.push(line);
}

/// The lines of the last report, oldest first.
pub(crate) fn lines() -> Vec<String> {
    LINES.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Where in the file loading or validation stopped, in the engine's words.
pub(crate) fn place() -> Option<String> {
    lines().iter().find(|line| line.contains("offset")).map(|line| line.trim().to_owned())
}
