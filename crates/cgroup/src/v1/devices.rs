//! The devices of a cgroup of version 1: its list, how that changes, and how it outlives systemd. Parent side.

use super::V1;
use crate::files::Dir;
use crate::update::Undo;
use crate::{Error, device_v1};
use skiff_plan::DeviceRule;
use std::path::Path;

impl V1 {
    pub(super) fn restrict_devices(&self, rules: &[DeviceRule]) -> Result<(), Error> {
        write_devices(self.devices()?, device_v1::lines(rules)?)
    }

    /// What a running container may use on both sides of the change, it may use all the time.
    pub(crate) fn change_devices(&self, rules: &[DeviceRule]) -> Result<Undo<'_>, Error> {
        let dir = self.devices()?;
        let held = dir.read("devices.list").map_err(|errno| dir.read_error("devices.list", errno))?;
        let lines = device_v1::changes(&held, rules)?;
        let undo = Undo::by(move || drop(put_back(dir, &held)));
        write_devices(dir, lines).inspect_err(|_| undo.now())?;
        Ok(undo)
    }

    /// Has systemd told something. With every change of a property it writes its own list of devices, which knows fewer rules
    /// than ours, and denies all of them first: nobody is to see that, so the container stands still meanwhile.
    pub(crate) fn undisturbed(&self, tell: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
        let Some(dir) = self.dir("devices") else { return tell() };
        let held = dir.read("devices.list").map_err(|errno| dir.read_error("devices.list", errno))?;
        // Where something does not stand still, a moment without devices is better than no update.
        let stopped = !self.frozen()? && self.freeze().is_ok();
        let told = tell();
        let restored = put_back(dir, &held);
        let thawed = if stopped { self.thaw() } else { Ok(()) };
        Error::all([told.err(), restored.err(), thawed.err()].into_iter().flatten().collect())
    }

    fn devices(&self) -> Result<&Dir, Error> {
        // Nothing else could enforce them.
        self.dir("devices").ok_or_else(|| Error::NoCgroupfs(Path::new("/sys/fs/cgroup/devices").to_owned()))
    }
}

/// Gives the cgroup the rules again that it had when `held` was its list.
fn put_back(dir: &Dir, held: &str) -> Result<(), Error> {
    let now = dir.read("devices.list").map_err(|errno| dir.read_error("devices.list", errno))?;
    write_devices(dir, device_v1::back(&now, held))
}

fn write_devices(dir: &Dir, lines: Vec<device_v1::Line>) -> Result<(), Error> {
    for (file, line) in lines {
        dir.write(file, &line).map_err(|errno| dir.write_error(file, "linux.resources.devices", &line, errno))?;
    }
    Ok(())
}
