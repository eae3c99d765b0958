//! What the guest sees of the world: arguments, environment, directories, standard streams; and the WASI module made of it.

use crate::engine::Host;
use crate::refusal::Refusal;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::fstat;
use nix::sys::statvfs::{FsFlags, fstatvfs};
use std::ffi::{CString, c_char};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
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
    /// Its path in this mount namespace. No symbolic link is followed: the administrator's ceiling speaks of paths, and the image
    /// could lead them elsewhere.
    pub path: PathBuf,
    /// Nothing in it can be changed. The engine's own check has holes, so the kernel must see to it: by Landlock, or a read-only
    /// mount.
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
    let preopens = world.preopens.iter().map(named).collect::<Result<Vec<_>, _>>()?;
    let opened = world.preopens.iter().map(open).collect::<Result<Vec<_>, _>>()?;
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
    for (number, (preopen, opened)) in (FIRST..).zip(world.preopens.iter().zip(&opened)) {
        check(&host, number, opened, preopen.read_only && !world.landlock).map_err(|why| refused(preopen, &why))?;
    }
    if !world.sockets {
        crate::sockets::deny(&host)?;
    }
    Ok(host)
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings.iter().map(|string| string.as_ptr()).collect()
}

fn refused(preopen: &Preopen, why: &str) -> Refusal {
    Refusal::Preopen { path: preopen.path.display().to_string(), why: why.into() }
}

/// The directory as it is to be found: the engine follows links, and leaves out what it cannot open.
fn open(preopen: &Preopen) -> Result<OwnedFd, Refusal> {
    directory(&preopen.path).map_err(|errno| match errno {
        Errno::ELOOP => refused(preopen, "there is a symbolic link in it: name the directory itself"),
        errno => refused(preopen, &skiff_sys::errno_text(errno)),
    })
}

/// Opens a directory, without following a symbolic link anywhere in its path, to refer to it only.
pub(crate) fn directory(path: &Path) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    openat2(AT_FDCWD, path, OpenHow::new().flags(flags).resolve(ResolveFlag::RESOLVE_NO_SYMLINKS))
}

/// `GUEST:PATH[:readonly]`, which is all that the engine takes.
fn named(preopen: &Preopen) -> Result<CString, Refusal> {
    let path = preopen.path.to_str().ok_or_else(|| refused(preopen, "the engine takes UTF-8 only"))?;
    if path.contains(':') || preopen.guest.contains(':') {
        return Err(refused(preopen, "the engine takes no path with a colon"));
    }
    let mode = if preopen.read_only { ":readonly" } else { "" };
    CString::new(format!("{}:{path}{mode}", preopen.guest)).map_err(|_| refused(preopen, "it contains a NUL"))
}

/// What the engine has opened under this number is the directory that was found, and not what somebody has put in its place
/// meanwhile.
fn check(host: &Host, number: i32, opened: &OwnedFd, must_be_read_only: bool) -> Result<(), String> {
    let mut native = 0u64;
    // SAFETY: a live WASI module, and a pointer of ours to be filled.
    let found = unsafe { ffi::WasmEdge_ModuleInstanceWASIGetNativeHandler(host.0, number, ptr::from_mut(&mut native)) };
    let native = i32::try_from(native).ok().filter(|_| found == 0).ok_or("the engine cannot open it")?;
    // SAFETY: the engine's descriptor, which stays open as long as the process.
    let native = unsafe { BorrowedFd::borrow_raw(native) };
    let identity = |stat: nix::sys::stat::FileStat| (stat.st_dev, stat.st_ino);
    if fstat(native).map(identity) != fstat(opened).map(identity) {
        return Err("the engine has opened another directory".into());
    }
    let is_read_only = || fstatvfs(native).is_ok_and(|found| found.flags().contains(FsFlags::ST_RDONLY));
    if must_be_read_only && !is_read_only() {
        return Err(
            "it cannot be made read-only: the engine's check has holes, the kernel has no Landlock, the mount is writable".into(),
        );
    }
    Ok(())
}

/// What the guest gave to proc_exit, 0 if it did not.
pub(crate) fn exit_code(host: &Host) -> u32 {
    // SAFETY: a live WASI module.
    unsafe { ffi::WasmEdge_ModuleInstanceWASIGetExitCode(host.0) }
}
