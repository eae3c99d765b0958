//! What the guest sees of the world: arguments, environment, directories, standard streams; and the WASI module made of it.

use crate::engine::Host;
use crate::refusal::Refusal;
use std::ffi::{CStr, CString, c_char};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::PathBuf;
use std::ptr;
use std::time::Duration;
use wasmedge_sys::ffi;

/// The number of the first preopen in the guest.
const FIRST: i32 = 3;

/// A directory that the guest may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preopen {
    /// Its name in the guest, absolute.
    pub guest: String,
    /// Its path in this mount namespace; symlinks are followed.
    pub path: PathBuf,
    /// Nothing in it can be changed. The engine's own check has holes, so the kernel must see to it: by Landlock, or a read-only mount.
    pub read_only: bool,
}

/// See the module.
#[derive(Debug)]
pub struct World<'a> {
    /// All arguments, the program's name first.
    pub args: Vec<CString>,
    /// `NAME=VALUE`, and nothing else: the process's own environment does not reach the guest.
    pub env: Vec<CString>,
    /// Nothing else of the file system can be reached.
    pub preopens: Vec<Preopen>,
    /// stdin, stdout and stderr; they stay open for the whole run.
    pub stdio: [BorrowedFd<'a>; 3],
    /// The caller restricts this process to the preopens by Landlock, before the run. Without it a read-only preopen must be on a
    /// read-only mount.
    pub landlock: bool,
    /// WasmEdge's socket extension; without it every call of it answers ENOTCAPABLE.
    pub sockets: bool,
    /// Wall clock, from the start of the run; the exit code is then 124.
    pub timeout: Option<Duration>,
}

/// The WASI module, preopens open.
pub(crate) fn module(world: &World<'_>) -> Result<Host, Refusal> {
    let preopens = world.preopens.iter().map(|dir| preopen(dir, world.landlock)).collect::<Result<Vec<_>, _>>()?;
    let (args, env, dirs) = (pointers(&world.args), pointers(&world.env), pointers(&preopens));
    let [stdin, stdout, stderr] = world.stdio.map(|fd| fd.as_raw_fd());
    // SAFETY: three arrays of NUL-terminated strings with their lengths, copied during the call; descriptors that stay open.
    let module = unsafe {
        ffi::WasmEdge_ModuleInstanceCreateWASIWithFds(
            args.as_ptr(),
            args.len() as u32,
            env.as_ptr(),
            env.len() as u32,
            dirs.as_ptr(),
            dirs.len() as u32,
            stdin,
            stdout,
            stderr,
        )
    };
    if module.is_null() {
        return Err(Refusal::Engine("no WASI module".into()));
    }
    let host = Host(module);
    check(&host, world)?;
    if !world.sockets {
        crate::sockets::deny(&host)?;
    }
    Ok(host)
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings.iter().map(|string| string.as_ptr()).collect()
}

/// `GUEST:PATH[:readonly]`, which is all that the engine takes; it skips what it cannot open, so that is tried before.
fn preopen(preopen: &Preopen, landlock: bool) -> Result<CString, Refusal> {
    let shown = preopen.path.display().to_string();
    let refused = |why: &str| Refusal::Preopen { path: shown.clone(), why: why.into() };
    let path = preopen.path.to_str().ok_or_else(|| refused("the engine takes UTF-8 only"))?;
    if path.contains(':') || preopen.guest.contains(':') {
        return Err(refused("the engine takes no path with a colon"));
    }
    let c_path = CString::new(path).map_err(|_| refused("it contains a NUL"))?;
    is_directory(&c_path).map_err(|error| refused(&crate::refusal::errno(&error)))?;
    if preopen.read_only && !landlock && !is_read_only(&c_path) {
        return Err(refused(
            "it cannot be made read-only: the engine's check has holes, the kernel has no Landlock, the mount is writable",
        ));
    }
    let mode = if preopen.read_only { ":readonly" } else { "" };
    CString::new(format!("{}:{path}{mode}", preopen.guest)).map_err(|_| refused("its name in the guest contains a NUL"))
}

fn is_directory(path: &CStr) -> std::io::Result<()> {
    use std::os::fd::{FromRawFd, OwnedFd};
    // SAFETY: a NUL-terminated string; no mode is needed, since nothing is created.
    let fd = unsafe { libc::open(path.as_ptr(), libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC) };
    if fd < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: just opened, and nothing else knows of it.
    drop(unsafe { OwnedFd::from_raw_fd(fd) });
    Ok(())
}

fn is_read_only(path: &CStr) -> bool {
    // SAFETY: a structure of integers, for which zero is valid.
    let mut found: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: a NUL-terminated string, and a structure of ours to be filled.
    unsafe { libc::statvfs(path.as_ptr(), &mut found) == 0 && found.f_flag & libc::ST_RDONLY != 0 }
}

/// As many preopens as were asked for.
fn check(host: &Host, world: &World<'_>) -> Result<(), Refusal> {
    let Some(last) = world.preopens.last() else { return Ok(()) };
    let mut native = 0u64;
    let number = FIRST + world.preopens.len() as i32 - 1;
    // SAFETY: a live WASI module, and a pointer of ours to be filled.
    match unsafe { ffi::WasmEdge_ModuleInstanceWASIGetNativeHandler(host.0, number, ptr::from_mut(&mut native)) } {
        0 => Ok(()),
        _ => Err(Refusal::Preopen { path: last.path.display().to_string(), why: "the engine cannot open it".into() }),
    }
}

/// What the guest gave to proc_exit, 0 if it did not.
pub(crate) fn exit_code(host: &Host) -> u32 {
    // SAFETY: a live WASI module.
    unsafe { ffi::WasmEdge_ModuleInstanceWASIGetExitCode(host.0) }
}
