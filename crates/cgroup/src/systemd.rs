//! The systemd driver: the container's cgroup as a transient unit (org.freedesktop.systemd1(5)). Parent side, between
//! the clone and Placed, and in the commands that change or end a container. Nothing is connected between two calls.

mod address;
mod connection;
mod error;
mod manager;
#[cfg(test)]
mod tests;
mod value;

pub use error::UnitError;

use crate::files::Made;
use crate::kill::{self, PATIENCE};
use crate::v1::V1;
use crate::v2::V2;
use crate::{Cgroup, Error, Kind, UnitRecord, facts};
use manager::Manager;
pub(crate) use manager::is_slice;
use nix::errno::Errno;
use skiff_plan::{CgroupLayout, CgroupPlan, SystemdUnit, UnitProperty};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What later commands need of a unit.
pub(crate) fn record(unit: &SystemdUnit) -> UnitRecord {
    UnitRecord { name: unit.name.clone(), user: unit.user }
}

fn failed(act: &'static str, unit: &str) -> impl Fn(UnitError) -> Error {
    move |why| Error::Unit { act, unit: unit.to_owned(), why }
}

/// [`Cgroup::create_unit`].
pub(crate) fn create(plan: &CgroupPlan, unit: &SystemdUnit, pid: u32) -> Result<Cgroup, Error> {
    refuse_frozen(&plan.layout)?;
    let failed = failed("start", &unit.name);
    let mut manager = Manager::connect(unit.user).map_err(&failed)?;
    let job = manager.start(unit, pid).map_err(&failed)?;
    // From here on there is something to take back.
    let mut made = Vec::new();
    let done = manager.wait(&job).map_err(&failed).and_then(|()| adopt(plan, unit, pid, &mut made));
    match done {
        Ok(kind) => {
            made.into_iter().for_each(Made::keep);
            Ok(Cgroup { kind, unit: Some(record(unit)) })
        }
        Err(error) => Err(take_back(plan, unit, pid, manager, error)),
    }
}

/// A process that systemd moves below a frozen cgroup stands still, and whoever waits for it with it.
fn refuse_frozen(layout: &CgroupLayout) -> Result<(), Error> {
    let CgroupLayout::V2 { mount, path, .. } = layout else { return Ok(()) };
    let place = mount.join(path);
    match place.ancestors().skip(1).find(|above| above.is_dir()) {
        Some(above) if V2::open(above).frozen()? => Err(Error::Frozen(above.to_owned())),
        _ => Ok(()),
    }
}

/// Makes what systemd leaves to us, sets the limits, and finds or puts the process there.
fn adopt(plan: &CgroupPlan, unit: &SystemdUnit, pid: u32, made: &mut Vec<Made>) -> Result<Kind, Error> {
    let devices = plan.devices.as_deref();
    match &plan.layout {
        CgroupLayout::Disabled => Ok(Kind::Disabled),
        CgroupLayout::V1(dirs) => V1::adopt(dirs, &plan.writes, devices, unit, pid, made).map(Kind::V1),
        CgroupLayout::V2 { mount, path, controllers } if is_slice(&unit.name) => {
            let cgroup = V2::adopt(mount, path, controllers, &plan.writes, devices)?;
            cgroup.place(pid)?;
            Ok(Kind::V2(cgroup))
        }
        CgroupLayout::V2 { mount, controllers, .. } => {
            let path = found(mount, "", unit, pid)?;
            V2::adopt(mount, &path, controllers, &plan.writes, devices).map(Kind::V2)
        }
    }
}

/// Where below the hierarchy's mount systemd has put the process.
pub(crate) fn found(mount: &Path, controllers: &str, unit: &SystemdUnit, pid: u32) -> Result<PathBuf, Error> {
    let list = PathBuf::from(format!("/proc/{pid}/cgroup"));
    let text = skiff_sys::read_whole(None, &list).map_err(|errno| Error::path("read", &list, errno))?;
    let text = String::from_utf8_lossy(&text);
    let path = facts::path_in(&text, controllers).unwrap_or("/");
    // A path that our mount or cgroup namespace does not show comes out as the mount itself: nothing there is ours.
    match facts::below_mount(mount, path)? {
        place if place.file_name().is_some_and(|name| name == unit.name.as_str()) => Ok(place),
        _ => Err(failed("start", &unit.name)(UnitError::Elsewhere(path.into()))),
    }
}

/// Ends the unit and what is in it, and removes what we have made; the error with all that went wrong on the way.
fn take_back(plan: &CgroupPlan, unit: &SystemdUnit, pid: u32, mut manager: Manager, error: Error) -> Error {
    let killed = end(pid);
    let stopped = match &error {
        // It will not be faster now.
        Error::Unit { why: UnitError::Timeout(_), .. } => manager.abandon(&unit.name).map_err(failed("stop", &unit.name)),
        _ => stop(&record(unit)),
    };
    let removed = Cgroup::open(&crate::planned(plan)).remove_directories();
    let errors = [Some(error), killed.err(), stopped.err(), removed.err()];
    match Error::all(errors.into_iter().flatten().collect()) {
        Err(error) => error,
        Ok(()) => Error::Several(Vec::new()),
    }
}

/// Kills a child that has not been waited for, and waits until it has ended, so that its cgroups are empty.
fn end(pid: u32) -> Result<(), Error> {
    let failed = |errno| Error::path("kill", Path::new(&format!("/proc/{pid}")), errno);
    let process = match skiff_sys::pidfd_open(pid) {
        Err(Errno::ESRCH) => return Ok(()),
        other => other.map_err(failed)?,
    };
    match skiff_sys::pidfd_send_signal(process.as_fd(), libc::SIGKILL) {
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(errno) => return Err(failed(errno)),
    }
    if kill::wait_ended(&[process], Instant::now() + PATIENCE) { Ok(()) } else { Err(failed(Errno::ETIMEDOUT)) }
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
    let set = Manager::connect(unit.user).and_then(|mut manager| manager.set_properties(&unit.name, properties));
    set.map_err(failed("set properties of", &unit.name))
}

/// Stops a unit and waits until it is gone. One that does not exist is fine.
///
/// # Errors
/// No systemd, a job that does not end well.
pub(crate) fn stop(unit: &UnitRecord) -> Result<(), Error> {
    stopped(unit).map_err(failed("stop", &unit.name))
}

fn stopped(unit: &UnitRecord) -> Result<(), UnitError> {
    let mut manager = Manager::connect(unit.user)?;
    let Some(job) = manager.stop(&unit.name)? else { return Ok(()) };
    let ended = manager.wait(&job);
    if matches!(ended, Err(UnitError::Job(_))) {
        manager.forget_failure(&unit.name)?;
    }
    ended
}
