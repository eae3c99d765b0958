//! `pause` and `resume`: the container's processes stand still, and go on. Parent side.

use crate::Error;
use crate::status::status;
use skiff_cgroup::Cgroup;
use skiff_state::{NOT_RUNNING, StateDir, Status};

/// Freezes every process of a running or created container.
///
/// # Errors
/// `container not running`; it has no cgroup of its own; it does not stand still in time, and then it goes on.
pub fn pause(dir: &StateDir) -> Result<(), Error> {
    dir.lock()?;
    let (record, status) = status(dir)?;
    match status {
        Status::Created | Status::Running => Ok(Cgroup::open(&record.cgroup).freeze()?),
        Status::Creating | Status::Paused | Status::Stopped => Err(Error::Status(NOT_RUNNING.into())),
    }
}

/// Lets a paused container go on.
///
/// # Errors
/// `container not paused`, or a cgroup above its own is frozen.
pub fn resume(dir: &StateDir) -> Result<(), Error> {
    dir.lock()?;
    let (record, status) = status(dir)?;
    if status != Status::Paused {
        return Err(Error::Status("container not paused".into()));
    }
    Ok(Cgroup::open(&record.cgroup).resume()?)
}
