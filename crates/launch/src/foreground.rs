//! `run` in the foreground: forwards signals to init, reaps, and hands on the exit code. Parent side.

use crate::create::{Created, Request, create};
use crate::delete::delete;
use crate::error::{Act, Error};
use crate::process::Child;
use crate::start::start;
use nix::errno::Errno;
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::os::fd::AsFd;

/// Creates, starts and waits for a container, forwarding every signal to it, then deletes it unless `keep`. The value is
/// what a shell would call its exit code: 128 plus the signal where one ended it.
///
/// # Errors
/// The container cannot be created, started or deleted.
pub fn run_foreground(request: &Request<'_>, keep: bool) -> Result<u8, Error> {
    // Blocked before the clone, so that neither a signal nor the end of a short-lived init is missed.
    let every = SigSet::all();
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&every), None).act(|| "block signals".into())?;
    let signals = SignalFd::with_flags(&every, SfdFlags::SFD_CLOEXEC).act(|| "make a signalfd".into())?;
    // Orphans of a container without a pid namespace come to us.
    set_child_subreaper(true).act(|| "become a subreaper".into())?;
    let created = create(request)?;
    let code = start(&created.dir).and_then(|()| wait(&created, &signals));
    if !(keep && code.is_ok()) {
        delete(request.store, request.id, true)?;
    }
    code
}

fn wait(created: &Created, signals: &SignalFd) -> Result<u8, Error> {
    loop {
        let signal = match signals.read_signal() {
            Ok(Some(info)) => info.ssi_signo as i32,
            Ok(None) | Err(Errno::EINTR) => continue,
            Err(errno) => return Err(Error::Call("read signals".into(), errno)),
        };
        if signal != libc::SIGCHLD {
            // init may have ended meanwhile; its SIGCHLD comes next.
            let _ = skiff_sys::pidfd_send_signal(created.init.pidfd.as_fd(), signal);
        } else if let Some(code) = reap(&created.init)? {
            return Ok(code);
        }
    }
}

/// Reaps whatever has ended; the exit code, if init was among it.
fn reap(init: &Child) -> Result<Option<u8>, Error> {
    let mut code = None;
    while let Some((pid, status)) = skiff_sys::reap_any().act(|| "wait for the container".into())? {
        if pid == init.pid {
            code = Some(status);
        }
    }
    Ok(code)
}
