//! From the caller to the monitor: two forks, so that the caller has no child and the monitor nothing of the caller's.

use super::monitor::{self, Report};
use super::{Error, Request, host};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, chdir, dup2_stderr, dup2_stdin, dup2_stdout, fork, pipe2, read, setsid};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// How often whoever waits is told that time passes.
const TICK: Duration = Duration::from_secs(1);

/// Begins to compile the module in this file, and returns at once: about a millisecond. Nobody hears how it ends; the next start
/// finds the code in the cache.
///
/// The caller is single-threaded, and has no child afterwards.
///
/// # Errors
/// [`Error::Host`] when no process can be made.
pub fn begin(request: Request, module: OwnedFd) -> Result<(), Error> {
    detach(&request, module, None)
}

/// Compiles, and waits until the code is in the cache, or until `patience` is over: then the compiler is stopped. `progress`
/// hears the number of each phase that begins, from 1 on, and 0 with every second that passes.
///
/// # Errors
/// [`Error::Module`] when it does not compile or takes too long, [`Error::Host`] when nothing can compile here.
pub fn wait(request: Request, module: OwnedFd, patience: Option<Duration>, progress: &mut dyn FnMut(u8)) -> Result<(), Error> {
    let (hear, say) = pipe2(OFlag::O_CLOEXEC).map_err(host("make a pipe"))?;
    let until = patience.map(|patience| Instant::now() + patience);
    detach(&request, module, Some(say))?;
    let mut said = Vec::new();
    loop {
        let left = until.map_or(TICK, |until| until.saturating_duration_since(Instant::now()).min(TICK));
        if left.is_zero() {
            return Err(Error::Module("it takes longer than the start may wait".into()));
        }
        if !readable(&hear, left)? {
            progress(0);
            continue;
        }
        let mut part = [0; 256];
        match read(&hear, &mut part) {
            Ok(0) => return monitor::verdict(&said),
            Ok(length) => {
                part[..length].iter().filter(|byte| Report::is_phase(**byte)).for_each(|byte| progress(*byte));
                said.extend(part[..length].iter().filter(|byte| !Report::is_phase(**byte)));
            }
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(host("hear from the compiler")(errno)),
        }
    }
}

fn readable(pipe: &OwnedFd, timeout: Duration) -> Result<bool, Error> {
    let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
    match poll(&mut [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)], timeout) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::EINTR) => Ok(false),
        Err(errno) => Err(host("wait for the compiler")(errno)),
    }
}

fn detach(request: &Request, module: OwnedFd, report: Option<OwnedFd>) -> Result<(), Error> {
    let null = open("/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty()).map_err(host("open /dev/null"))?;
    // SAFETY: the child runs on a copy of this memory. The C library makes its heap usable there, whatever other threads did; a
    // runtime has none.
    match unsafe { fork() }.map_err(host("fork"))? {
        ForkResult::Parent { child } => {
            // A caller that reaps every child may have been faster.
            while waitpid(child, None) == Err(Errno::EINTR) {}
            Ok(())
        }
        ForkResult::Child => {
            let _ = setsid();
            // SAFETY: as above; this process has one thread.
            match unsafe { fork() } {
                Ok(ForkResult::Child) => {
                    settle(request, &module, report.as_ref(), &null);
                    monitor::run(request, module, report);
                    skiff_sys::exit_now(0)
                }
                _ => skiff_sys::exit_now(0),
            }
        }
    }
}

/// Lets go of everything of the caller's: descriptors, terminal, directory, signals.
fn settle(request: &Request, module: &OwnedFd, report: Option<&OwnedFd>, null: &OwnedFd) {
    let _ = dup2_stdin(null).and_then(|()| dup2_stdout(null)).and_then(|()| dup2_stderr(null));
    let kept = [Some(request.cache.fd().as_raw_fd()), Some(module.as_raw_fd()), report.map(AsRawFd::as_raw_fd)];
    let mut kept: Vec<u32> = kept.into_iter().flatten().filter_map(|fd| u32::try_from(fd).ok()).collect();
    kept.sort_unstable();
    let done = skiff_sys::close_from(3, &kept)
        .and_then(|()| skiff_sys::reset_dispositions(u64::MAX))
        .and_then(|()| skiff_sys::empty_mask())
        .and_then(|()| chdir("/"));
    if done.is_err() {
        skiff_sys::exit_now(1);
    }
    // Whoever waits may have gone.
    // SAFETY: ignoring a signal runs no code.
    let _ = unsafe { nix::sys::signal::signal(nix::sys::signal::Signal::SIGPIPE, nix::sys::signal::SigHandler::SigIgn) };
    let _ = nix::sys::prctl::set_name(c"skiff-compile");
    if let Some(args) = request.args {
        args.replace(&[c"skiff-wasm: compiles a module".into()]);
    }
    if report.is_none() {
        // SAFETY: integers only.
        unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 19) };
    }
}
