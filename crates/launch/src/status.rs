//! What a container is doing, and which processes it has: asked of the kernel, never stored. Parent side.

use crate::Error;
use skiff_cgroup::Cgroup;
use skiff_state::{Record, StateDir, Status};

/// The record, and the status derived from it.
///
/// # Errors
/// The record cannot be read, or the cgroup does not say whether it is frozen.
pub fn status(dir: &StateDir) -> Result<(Record, Status), Error> {
    let record = dir.load()?;
    let frozen = record.init.is_some() && Cgroup::open(&record.cgroup).frozen()?;
    let status = dir.status(&record, frozen);
    Ok((record, status))
}

/// Host pids of all processes of the container, sorted.
///
/// # Errors
/// The record or the cgroup cannot be read.
pub fn pids(dir: &StateDir) -> Result<Vec<u32>, Error> {
    let record = dir.load()?;
    if record.cgroup.dirs.is_empty() {
        let alive = !matches!(dir.status(&record, false), Status::Stopped);
        return Ok(record.init.filter(|_| alive).map(|init| init.pid).into_iter().collect());
    }
    Ok(Cgroup::open(&record.cgroup).pids()?)
}
