//! `start`: one byte into the FIFO that init waits on, and the answer that the FIFO itself gives. Parent side.

use crate::error::{Act, Error};
use crate::status::status;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use skiff_cgroup::Cgroup;
use skiff_state::{StateDir, Status};
use std::os::fd::{AsFd, OwnedFd};

/// Starts a created container and returns when its command runs.
///
/// # Errors
/// The container is not created but something else, or its init failed after all.
pub fn start(dir: &StateDir) -> Result<(), Error> {
    let fifo = say_go(dir)?;
    if executed(&fifo)? {
        return Ok(());
    }
    Err(Error::Status("container init ended before it executed the command".into()))
}

/// Under the lock: nobody else starts or deletes it meanwhile. The byte goes in before the FIFO goes away, so that a
/// start that was killed in between can be repeated.
fn say_go(dir: &StateDir) -> Result<OwnedFd, Error> {
    let _lock = dir.lock()?;
    let (record, status) = status(dir)?;
    let refuse = |why: &str| Err(Error::Status(format!("cannot start {why}")));
    match status {
        Status::Created => {}
        Status::Creating => return refuse("a container that is being created"),
        Status::Running => return refuse("an already running container"),
        Status::Paused => return refuse("a paused container"),
        Status::Stopped => return refuse("a container that has stopped"),
    }
    if Cgroup::open(&record.cgroup).frozen()? {
        return refuse("a container whose cgroup is frozen");
    }
    let fifo = dir.open_fifo_to_start()?;
    nix::unistd::write(&fifo, &[0]).act(|| "tell init to start".into())?;
    dir.remove_fifo()?;
    Ok(fifo)
}

/// Waits until init has closed its end, which execve does for it, and looks whether it took the byte.
fn executed(fifo: &OwnedFd) -> Result<bool, Error> {
    let mut fds = [PollFd::new(fifo.as_fd(), PollFlags::empty())];
    while let Err(errno) = poll(&mut fds, PollTimeout::NONE) {
        if errno != Errno::EINTR {
            return Err(Error::Call("wait for init".into(), errno));
        }
    }
    Ok(skiff_sys::pending_bytes(fifo.as_fd()).act(|| "ask the start FIFO".into())? == 0)
}
