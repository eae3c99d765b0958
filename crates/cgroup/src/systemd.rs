//! The systemd driver: the container's cgroup as a transient unit (org.freedesktop.systemd1(5)). Parent side, between
//! the clone and Placed, and in the commands that change or end a container.

use crate::{Cgroup, Error, UnitRecord};
use skiff_plan::{CgroupPlan, SystemdUnit, UnitProperty};

/// What later commands need of a unit.
pub(crate) fn record(unit: &SystemdUnit) -> UnitRecord {
    UnitRecord { name: unit.name.clone(), user: unit.user }
}

/// [`Cgroup::create_unit`].
pub(crate) fn create(_plan: &CgroupPlan, unit: &SystemdUnit, _pid: u32) -> Result<Cgroup, Error> {
    Err(Error::Unit { act: "start", unit: unit.name.clone(), why: "there is no driver for systemd yet".into() })
}

/// Sets properties of a unit until it ends, all in one call: before the values of an update are written to the cgroup's
/// files, since systemd writes its own.
///
/// # Errors
/// No systemd, no such unit, a property that it refuses; then none is set.
pub fn set_properties(unit: &UnitRecord, properties: &[UnitProperty]) -> Result<(), Error> {
    if properties.is_empty() {
        return Ok(());
    }
    let why = "there is no driver for systemd yet".into();
    Err(Error::Unit { act: "set properties of", unit: unit.name.clone(), why })
}

/// Stops a unit and waits until it is gone. One that does not exist is fine.
pub(crate) fn stop(unit: &UnitRecord) -> Result<(), Error> {
    Err(Error::Unit { act: "stop", unit: unit.name.clone(), why: "there is no driver for systemd yet".into() })
}
