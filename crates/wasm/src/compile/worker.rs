//! The compiler itself: a program of its own, which [`super::sandbox`] starts with the real LLVM, in an empty root, with the
//! module as descriptor 3, the place for the result as 4 and the way to speak as 5. It has nothing else, and gives up the rest
//! before it reads.

use super::{PHASES, filter};
use crate::engine::text;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use std::ffi::CStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::FromRawFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use wasmedge_sys::ffi;

pub(super) const MODULE: i32 = 3;
pub(super) const RESULT: i32 = 4;
pub(super) const SPEECH: i32 = 5;
/// In the root of the sandbox: the only directory that can be written.
pub(super) const OUT: &CStr = c"/out";
const OUTPUT: &CStr = c"/out/code.wasm";

/// What WasmEdge's log says when its linker has succeeded. It does not ask for itself: the result is a success without, too, and
/// holds an object that was never linked, with which every start of the module would crash.
const DONE: &str = "codegen done";

static SPEAKER: OnceLock<File> = OnceLock::new();
static LINKED: AtomicBool = AtomicBool::new(false);

/// Compiles descriptor 3 into descriptor 4; the exit code. What went wrong is said on descriptor 5.
#[must_use]
pub fn main(optimise: u8) -> i32 {
    // SAFETY: whoever starts this program passes this descriptor; nobody else here owns it.
    let speech = SPEAKER.get_or_init(|| unsafe { File::from_raw_fd(SPEECH) });
    match compile(optimise) {
        Ok(()) => 0,
        Err(reason) => {
            let _ = (&mut &*speech).write_all(reason.as_bytes());
            1
        }
    }
}

fn compile(optimise: u8) -> Result<(), String> {
    // SAFETY: as above.
    let mut module = unsafe { File::from_raw_fd(MODULE) };
    // SAFETY: as above.
    let mut result = unsafe { File::from_raw_fd(RESULT) };
    confine()?;
    let mut bytes = Vec::new();
    module.read_to_end(&mut bytes).map_err(|error| format!("read the module: {error}"))?;
    let output = translate(&bytes, optimise)?;
    let mut output = File::from(output);
    let mut rest = Vec::new();
    output.read_to_end(&mut rest).map_err(|error| format!("read the result: {error}"))?;
    result.write_all(&rest).map_err(|error| format!("hand the result over: {error}"))
}

/// Gives up the rest.
fn confine() -> Result<(), String> {
    let output = open(OUT, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty());
    filter::confine(output.map_err(|errno| format!("open the output directory: {}", skiff_sys::errno_text(errno)))?)
}

fn translate(bytes: &[u8], optimise: u8) -> Result<std::os::fd::OwnedFd, String> {
    let length = u32::try_from(bytes.len()).map_err(|_| "the module is larger than 4 GiB")?;
    // SAFETY: a function of the right signature that lives for ever.
    unsafe { ffi::WasmEdge_LogSetCallback(Some(logged)) };
    // SAFETY: no arguments.
    let config = unsafe { ffi::WasmEdge_ConfigureCreate() };
    // SAFETY: a live context.
    unsafe { ffi::WasmEdge_ConfigureCompilerSetOutputFormat(config, ffi::WasmEdge_CompilerOutputFormat_Wasm) };
    // SAFETY: a live context.
    unsafe { ffi::WasmEdge_ConfigureCompilerSetOptimizationLevel(config, optimise.into()) };
    // SAFETY: a live context.
    let compiler = unsafe { ffi::WasmEdge_CompilerCreate(config) };
    if compiler.is_null() {
        return Err("the engine has no compiler".into());
    }
    // SAFETY: pointer and length are one slice's, which outlives the call below.
    let wrapped = unsafe { ffi::WasmEdge_BytesWrap(bytes.as_ptr(), length) };
    // SAFETY: a live context, bytes that are only read, a NUL-terminated path.
    let done = unsafe { ffi::WasmEdge_CompilerCompileFromBytes(compiler, wrapped, OUTPUT.as_ptr()) };
    // SAFETY: takes a value, looks at it.
    if !unsafe { ffi::WasmEdge_ResultOK(done) } {
        // SAFETY: takes a value, returns a constant of the library, NUL-terminated.
        let message = unsafe { CStr::from_ptr(ffi::WasmEdge_ResultGetMessage(done)) };
        return Err(message.to_string_lossy().into_owned());
    }
    if !LINKED.load(Ordering::Relaxed) {
        return Err("the linker failed".into());
    }
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    open(OUTPUT, flags, Mode::empty()).map_err(|errno| format!("open the result: {}", skiff_sys::errno_text(errno)))
}

/// The engine tells by its log how far it is.
unsafe extern "C" fn logged(message: *const ffi::WasmEdge_LogMessage) {
    // SAFETY: the engine passes a message that lives during the call.
    let line = text(unsafe { &*message }.Message);
    LINKED.fetch_or(line.contains(DONE), Ordering::Relaxed);
    let (Some(phase), Some(speech)) = (PHASES.iter().position(|(words, _)| line.contains(words)), SPEAKER.get()) else { return };
    let _ = (&mut &*speech).write_all(&[phase as u8 + 1]);
}
