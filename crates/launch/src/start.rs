//! `start`: one byte into the FIFO that init waits on, and the answer that the FIFO itself gives. Parent side.

use crate::create::{Created, run_recorded};
use crate::error::{Act, Error};
use crate::notify::Waiting;
use crate::status::status;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use skiff_plan::HookKind;
use skiff_state::{Record, StateDir, Status};
use std::os::fd::{AsFd, OwnedFd};

/// Starts a created container and returns when its command runs.
///
/// # Errors
/// The container is not created but something else, or its init failed after all.
pub fn start(dir: &StateDir) -> Result<(), Error> {
    dir.lock()?;
    check(dir)?;
    let notify = Waiting::begin(dir)?;
    // init may end before the byte is written: then SIGPIPE must not take us along.
    let mut pipe = SigSet::empty();
    pipe.add(Signal::SIGPIPE);
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&pipe), None).act(|| "block SIGPIPE".into())?;
    let fifo = say_go(dir)?;
    dir.unlock();
    until_executed(&fifo)?;
    let record = dir.load()?;
    run_poststart(&record)?;
    match (notify, record.init) {
        (Some(notify), Some(init)) => match crate::kill::open(&init)? {
            Some(pidfd) => notify.until_ready(init.pid, pidfd.as_fd()),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

impl Created {
    /// Starts what this process has just created, and holds the lock of: there is nothing to look up. init may have ended
    /// by the time this returns.
    pub(crate) fn start(&self) -> Result<(), Error> {
        until_executed(&say_go(&self.dir)?)?;
        run_poststart(&self.record)
    }
}

/// A failing hook stops the container, as the specification has it since 1.3.
fn run_poststart(record: &Record) -> Result<(), Error> {
    let pid = record.init.map(|init| init.pid);
    let result = run_recorded(record, HookKind::Poststart, &record.hooks.poststart, Status::Running, pid);
    if let (Err(_), Some(init)) = (&result, &record.init)
        && let Some(init) = crate::kill::open(init)?
    {
        let _ = skiff_sys::pidfd_send_signal(init.as_fd(), libc::SIGKILL);
    }
    result
}

/// Only a created container can be started.
fn check(dir: &StateDir) -> Result<(), Error> {
    let refuse = |why: &str| Err(Error::Status(format!("cannot start {why}")));
    match status(dir)?.1 {
        Status::Created => Ok(()),
        Status::Creating => refuse("a container that is being created"),
        Status::Running => refuse("an already running container"),
        Status::Paused => refuse("a paused container"),
        Status::Stopped => refuse("a container that has stopped"),
    }
}

/// Under the lock: nobody else starts or deletes it meanwhile. The byte goes in before the FIFO goes away, so that a
/// start that was killed in between can be repeated.
fn say_go(dir: &StateDir) -> Result<OwnedFd, Error> {
    let fifo = dir.open_fifo_to_start()?;
    nix::unistd::write(&fifo, &[0]).act(|| "tell init to start".into())?;
    dir.remove_fifo()?;
    Ok(fifo)
}

/// Waits until init has closed its end, which execve does for it, and looks whether it took the byte.
fn until_executed(fifo: &OwnedFd) -> Result<(), Error> {
    let mut fds = [PollFd::new(fifo.as_fd(), PollFlags::empty())];
    while let Err(errno) = poll(&mut fds, PollTimeout::NONE) {
        if errno != Errno::EINTR {
            return Err(Error::Call("wait for init".into(), errno));
        }
    }
    match skiff_sys::pending_bytes(fifo.as_fd()).act(|| "ask the start FIFO".into())? {
        0 => Ok(()),
        _ => Err(Error::Status("container init ended before it executed the command".into())),
    }
}
