//! `update`: new limits for a container that is there. Parent side.

use crate::Error;
use crate::status::status;
use skiff_cgroup::Cgroup;
use skiff_plan::{Driver, LinuxResources};
use skiff_state::{NOT_RUNNING, Record, StateDir, Status};

/// Changes what `change` names; the rest stays. When it fails, every limit is as it was.
///
/// # Errors
/// `container not running`; a value that config.json could not have either; a limit below what is used, if it is to be checked;
/// a value that the kernel or systemd refuses.
pub fn update(dir: &StateDir, change: &LinuxResources) -> Result<(), Error> {
    dir.lock()?;
    let (mut record, status) = status(dir)?;
    if matches!(status, Status::Creating | Status::Stopped) {
        return Err(Error::Status(NOT_RUNNING.into()));
    }
    let cgroup = Cgroup::open(&record.cgroup);
    let update = skiff_plan::update(&record.resources, change, &cgroup.facts()?, driver(&record))?;
    if let Some(check) = &update.memory_check {
        cgroup.check_memory(check)?;
    }
    cgroup.update(&update)?;
    record.resources = update.base;
    Ok(dir.save(&record)?)
}

/// Who keeps the cgroup: what create was told, no later command has to be told again.
fn driver(record: &Record) -> Driver {
    record.cgroup.unit.as_ref().map_or(Driver::Cgroupfs, |unit| Driver::Systemd { user: unit.user })
}
