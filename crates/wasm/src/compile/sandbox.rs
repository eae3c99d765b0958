//! Starts the worker: a process in user, mount, pid, network, ipc, uts and cgroup namespaces of its own, as nobody, with limits
//! and without rights, that executes the compiler. The monitor clones it; it waits until it has its ids and its cgroup.

use super::tools::Tools;
use super::worker::{MODULE, RESULT, SPEECH};
use super::{Error, Limits, host, root};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, pipe2, read, write};
use skiff_sys::{CapSets, Clone3, Cloned, clone3, set_rlimit};
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};

const FLAGS: i32 = libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP;

/// Threads: the linker takes 16 at most.
const TASKS: u64 = 64;
/// Deep nesting costs stack; what needs more ends.
const STACK: u64 = 64 << 20;
/// Address space beside the heap: LLVM itself, and what the C library reserves for threads.
const RESERVED: u64 = 4 << 30;

/// What the worker is given.
pub(super) struct Job<'a> {
    pub(super) tools: &'a Tools,
    pub(super) limits: &'a Limits,
    pub(super) optimise: u8,
    pub(super) module: BorrowedFd<'a>,
    pub(super) result: BorrowedFd<'a>,
    pub(super) speech: BorrowedFd<'a>,
}

/// A worker that waits.
pub(super) struct Worker {
    pub(super) pid: Pid,
    pub(super) pidfd: OwnedFd,
    go: OwnedFd,
}

impl Worker {
    /// Lets it go on.
    pub(super) fn go(&self) -> Result<(), Error> {
        write(&self.go, b"g").map(drop).map_err(host("speak to the compiler"))
    }
}

/// Clones the worker. The caller is single-threaded.
pub(super) fn start(job: &Job<'_>) -> Result<Worker, Error> {
    let (wait, go) = pipe2(OFlag::O_CLOEXEC).map_err(host("make a pipe"))?;
    let request = Clone3 { flags: FLAGS as u64, exit_signal: libc::SIGCHLD, cgroup: None };
    match clone3(request).map_err(host("make namespaces for the compiler"))? {
        Cloned::Parent { pid, pidfd } => Ok(Worker { pid, pidfd, go }),
        Cloned::Child => {
            // Or the monitor's end would go unnoticed.
            drop(go);
            let (step, errno) = become_compiler(job, &wait);
            let _ = write(job.speech, format!("{step}: {}", skiff_sys::errno_text(errno)).as_bytes());
            skiff_sys::exit_now(SET_UP)
        }
    }
}

/// The exit code of a worker that has not become the compiler.
pub(super) const SET_UP: i32 = 125;

fn become_compiler(job: &Job<'_>, wait: &OwnedFd) -> (&'static str, Errno) {
    match prepare(job, wait) {
        Err(failed) => failed,
        Ok((args, program)) => match skiff_sys::execve(&program, &args, &[]) {
            Err(errno) => ("execute the compiler", errno),
            Ok(never) => match never {},
        },
    }
}

fn prepare(job: &Job<'_>, wait: &OwnedFd) -> Result<(Vec<CString>, CString), (&'static str, Errno)> {
    if read(wait, &mut [0]) != Ok(1) {
        return Err(("wait for the parent", Errno::EPIPE));
    }
    skiff_sys::reset_dispositions(u64::MAX).map_err(|errno| ("reset signals", errno))?;
    root::enter(job.tools, job.limits.result.saturating_mul(3))?;
    limit(job.limits).map_err(|errno| ("set resource limits", errno))?;
    give_up_rights().map_err(|errno| ("give up rights", errno))?;
    // A monitor that was killed before that holds the other end no more.
    if poll(&mut [PollFd::new(wait.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO) != Ok(0) {
        return Err(("wait for the parent", Errno::EPIPE));
    }
    place_descriptors(job).map_err(|errno| ("place descriptors", errno))?;
    let own = CString::new(job.optimise.to_string()).map_err(|_| ("name the options", Errno::EINVAL))?;
    let program = job.tools.command.first().cloned().ok_or(("find the compiler", Errno::ENOENT))?;
    Ok((job.tools.command.iter().cloned().chain([own]).collect(), program))
}

fn limit(limits: &Limits) -> nix::Result<()> {
    let seconds = limits.time.as_secs().saturating_add(1);
    for (resource, value) in [
        (libc::RLIMIT_DATA, limits.memory),
        (libc::RLIMIT_AS, limits.memory.saturating_add(RESERVED)),
        (libc::RLIMIT_CPU, seconds.saturating_mul(TASKS)),
        (libc::RLIMIT_FSIZE, limits.result),
        (libc::RLIMIT_STACK, STACK),
        (libc::RLIMIT_NOFILE, 64),
        (libc::RLIMIT_CORE, 0),
        (libc::RLIMIT_MEMLOCK, 0),
        (libc::RLIMIT_MSGQUEUE, 0),
    ] {
        lower(resource, value)?;
    }
    Ok(())
}

/// A hard limit that is lower already stays.
fn lower(resource: u32, value: u64) -> nix::Result<()> {
    match set_rlimit(0, resource, value, value) {
        Err(Errno::EPERM) => Ok(()),
        other => other,
    }
}

fn give_up_rights() -> nix::Result<()> {
    for capability in 0..64 {
        match skiff_sys::drop_bounding(capability) {
            Err(Errno::EINVAL) => break,
            other => other?,
        }
    }
    skiff_sys::capset(CapSets { effective: 0, permitted: 0, inheritable: 0 })?;
    prctl::set_no_new_privs()?;
    // After the ids: a change of them clears it.
    prctl::set_pdeathsig(Signal::SIGKILL)
}

/// 0 to 2 are the monitor's /dev/null; 3 to 5 the module, the result and the way to speak; nothing else is open.
fn place_descriptors(job: &Job<'_>) -> nix::Result<()> {
    let mut high = Vec::new();
    for fd in [job.module, job.result, job.speech] {
        let copy = fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(SPEECH + 1))?;
        // SAFETY: fcntl has made it, and nobody else owns it.
        high.push(unsafe { OwnedFd::from_raw_fd(copy) });
    }
    for (from, to) in high.iter().zip([MODULE, RESULT, SPEECH]) {
        // SAFETY: what is open under this number is the monitor's copy of a descriptor, which this process never touches again.
        Errno::result(unsafe { libc::dup2(from.as_fd().as_raw_fd(), to) })?;
    }
    // The next call closes them.
    high.into_iter().for_each(|fd| {
        let _ = fd.into_raw_fd();
    });
    skiff_sys::close_range(SPEECH as u32 + 1, u32::MAX)
}

/// As many threads as [`TASKS`] says, for the cgroup.
pub(super) const fn tasks() -> u64 {
    TASKS
}
