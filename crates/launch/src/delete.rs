//! `delete`: ends what is left of a container and removes every trace. Goes past errors and reports them all. Parent side.

use crate::cgroup::claimant;
use crate::create::{Created, run_poststop};
use crate::error::{Act, Error, all};
use crate::kill::open;
use crate::status::status;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use skiff_cgroup::Cgroup;
use skiff_state::{Record, StateDir, Status, Store};
use std::os::fd::AsFd;

/// How long a killed init may take to end, in milliseconds; runc's patience, too.
const PATIENCE: u16 = 10_000;

/// Removes a stopped or created container. With `force`: any container, what an interrupted create left, and an unknown id
/// is no error. The value is what hooks complained of, for the log.
///
/// # Errors
/// `container does not exist`, the container is running, or something cannot be removed.
pub fn delete(store: &Store, id: &str, force: bool) -> Result<Vec<String>, Error> {
    if force {
        // What a killed delete had set aside already.
        store.sweep(id)?;
    }
    match try_delete(store, id, force) {
        Err(Error::State(skiff_state::Error::NotExist)) if force => Ok(Vec::new()),
        other => other,
    }
}

fn try_delete(store: &Store, id: &str, force: bool) -> Result<Vec<String>, Error> {
    let dir = store.open(id)?;
    dir.lock()?;
    let record = match status(&dir) {
        Ok((record, status)) => {
            require(id, status, force)?;
            record
        }
        // Killed before it recorded anything: there is nothing but the directory.
        Err(Error::State(skiff_state::Error::NoRecord(_))) if force => {
            dir.remove()?;
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    };
    // A create that was killed before it made its cgroup may have recorded one that another container lives in; it would have
    // been refused. That container must not die for it.
    let anothers = record.init.is_none() && claimant(&record, store).is_some();
    let cgroup = if anothers { Cgroup::open(&Default::default()) } else { Cgroup::open(&record.cgroup) };
    remove(dir, &record, &cgroup)
}

impl Created {
    /// Removes what this process has created, after its init has been reaped. Processes can be left only where they have no
    /// pid namespace of their own: the kernel ends such a one with its init.
    pub(crate) fn remove(self) -> Result<Vec<String>, Error> {
        if !self.record.new_pid_namespace {
            self.cgroup.kill()?;
        }
        self.cgroup.remove()?;
        let warnings = run_poststop(&self.record);
        self.dir.remove()?;
        // The process ends next, and closes these faster than we could.
        std::mem::forget(self);
        Ok(warnings)
    }

    /// Ends and removes it, for the given reason.
    pub(crate) fn give_up(self, error: Error) -> Error {
        self.init.kill();
        match self.remove() {
            Ok(_) => error,
            Err(more) => Error::Several(vec![error, more]),
        }
    }
}

fn require(id: &str, status: Status, force: bool) -> Result<(), Error> {
    match status {
        Status::Stopped | Status::Created => Ok(()),
        _ if force => Ok(()),
        _ => Err(Error::Status(format!("cannot delete container {id} that is not stopped: {}", status.as_str()))),
    }
}

/// The state directory goes last, and only when nothing else is left: as long as it is there, delete can be tried again.
fn remove(dir: StateDir, record: &Record, cgroup: &Cgroup) -> Result<Vec<String>, Error> {
    let mut errors = Vec::new();
    errors.extend(end(record, cgroup).err());
    // Where something still lives, its cgroup only keeps us waiting.
    if errors.is_empty() {
        errors.extend(cgroup.remove().err().map(Error::from));
    }
    let warnings = if record.init.is_some() { run_poststop(record) } else { Vec::new() };
    if errors.is_empty() {
        errors.extend(dir.remove().err().map(Error::from));
    }
    all(errors).map(|()| warnings)
}

fn end(record: &Record, cgroup: &Cgroup) -> Result<(), Error> {
    // Before the cgroup: on version 2 the cgroup is killed as one, but without a cgroup init is all there is.
    let init = record.init.as_ref().map(open).transpose()?.flatten();
    if let Some(init) = &init {
        match skiff_sys::pidfd_send_signal(init.as_fd(), libc::SIGKILL) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(errno) => return Err(Error::Call("kill init".into(), errno)),
        }
    }
    cgroup.kill()?;
    let Some(init) = init else { return Ok(()) };
    let mut fds = [PollFd::new(init.as_fd(), PollFlags::POLLIN)];
    match poll(&mut fds, PollTimeout::from(PATIENCE)).act(|| "wait for init to end".into())? {
        0 => Err(Error::Status("init does not end though it was killed".into())),
        _ => Ok(()),
    }
}
