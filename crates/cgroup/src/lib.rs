//! Control groups, versions 2 and 1, by direct file writes or as a unit of systemd. Parent side. What to write is the plan's
//! decision; this crate makes the directories, writes, filters devices, measures, freezes, kills and removes.

mod delegate;
mod device_bpf;
mod device_v1;
mod error;
mod facts;
mod files;
mod kill;
mod remove;
pub mod stats;
pub mod systemd;
mod update;
mod v1;
mod v2;
mod watch;
mod write;

pub use error::Error;
pub use facts::facts;
pub use skiff_state::{CgroupRecord, UnitRecord};
pub use stats::Stats;
pub use systemd::UnitError;
pub use watch::{Event, Watch};

use skiff_plan::{CgroupFacts, CgroupLayout, CgroupPlan, CgroupUpdate, Hierarchy, MemoryCheck};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

/// What [`Cgroup::open`] will need for the cgroup that the plan asks for, before it exists: whoever finds the record of an
/// interrupted create can remove it.
#[must_use]
pub fn planned(plan: &CgroupPlan) -> CgroupRecord {
    let (version, dirs) = match &plan.layout {
        CgroupLayout::Disabled => (0, Vec::new()),
        CgroupLayout::V2 { mount, path, .. } => (2, vec![(String::new(), mount.join(path))]),
        CgroupLayout::V1(dirs) => (1, dirs.iter().map(|dir| (dir.controllers.clone(), dir.mount.join(&dir.path))).collect()),
    };
    CgroupRecord { version, dirs, unit: plan.unit.as_ref().map(systemd::record) }
}

/// The cgroup of a container.
#[derive(Debug)]
pub struct Cgroup {
    kind: Kind,
    /// The unit of systemd that it belongs to; `None` with the cgroupfs driver.
    unit: Option<UnitRecord>,
}

#[derive(Debug)]
enum Kind {
    /// The container stays where its runtime was called: nothing to limit, list or remove.
    Disabled,
    V1(v1::V1),
    V2(v2::V2),
}

/// Calls the method of the version, or yields the value where there is no cgroup.
macro_rules! either {
    ($self:ident, $cgroup:ident => $call:expr, $disabled:expr) => {
        match &$self.kind {
            Kind::Disabled => $disabled,
            Kind::V1($cgroup) => $call,
            Kind::V2($cgroup) => $call,
        }
    };
}

impl Cgroup {
    /// Makes the directories, writes the limits and filters the devices. On an error what was made is removed again.
    ///
    /// # Errors
    /// A cgroup that holds processes or is frozen, a controller that cannot be enabled, a value that the kernel
    /// refuses, a device rule that version 1 cannot express.
    pub fn create(plan: &CgroupPlan) -> Result<Cgroup, Error> {
        let devices = plan.devices.as_deref();
        let kind = match &plan.layout {
            CgroupLayout::Disabled => Kind::Disabled,
            CgroupLayout::V1(dirs) => Kind::V1(v1::V1::create(dirs, &plan.writes, devices)?),
            CgroupLayout::V2 { mount, path, controllers } => {
                Kind::V2(v2::V2::create(mount, path, controllers, &plan.writes, devices)?)
            }
        };
        Ok(Cgroup { kind, unit: None })
    }

    /// As [`Cgroup::create`], by systemd: asks it for the unit of the plan, with process `pid` in it, waits until the unit
    /// is there, 30 seconds at most, writes the limits and filters the devices. `pid` is a child of the caller that waits;
    /// it needs no [`Cgroup::place`] any more. Nothing is connected before or after this call.
    ///
    /// Where nothing can load a device filter (without privileges), the caller leaves `devices` out.
    ///
    /// # Errors
    /// No systemd, a unit of that name that is active, a property or a job that systemd refuses, and as
    /// [`Cgroup::create`]. Then the unit is stopped again, and with it `pid` killed if it is there already.
    pub fn create_unit(plan: &CgroupPlan, pid: u32) -> Result<Cgroup, Error> {
        match &plan.unit {
            Some(unit) => systemd::create(plan, unit, pid),
            None => Self::create(plan).and_then(|cgroup| cgroup.place(pid).map(|()| cgroup)),
        }
    }

    /// The cgroup that `record` speaks of. Directories that are gone are fine: there is nothing in them.
    #[must_use]
    pub fn open(record: &CgroupRecord) -> Cgroup {
        let kind = match (record.version, record.dirs.first()) {
            (2, Some((_, path))) => Kind::V2(v2::V2::open(path)),
            (1, _) => Kind::V1(v1::V1::open(&record.dirs)),
            _ => Kind::Disabled,
        };
        Cgroup { kind, unit: record.unit.clone() }
    }

    /// What [`Cgroup::open`] needs.
    #[must_use]
    pub fn record(&self) -> CgroupRecord {
        let (version, dirs): (u8, Vec<(String, PathBuf)>) = match &self.kind {
            Kind::Disabled => (0, Vec::new()),
            Kind::V1(cgroup) => (1, cgroup.record()),
            Kind::V2(cgroup) => (2, vec![(String::new(), cgroup.path().to_owned())]),
        };
        CgroupRecord { version, dirs, unit: self.unit.clone() }
    }

    /// The directory for `CLONE_INTO_CGROUP`; `None` but on version 2.
    #[must_use]
    pub fn dir_fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.kind {
            Kind::V2(cgroup) => cgroup.fd(),
            _ => None,
        }
    }

    /// Moves a process into the cgroup, on version 1 in every hierarchy.
    ///
    /// # Errors
    /// `ESRCH` if it has ended, `ENOENT` if the cgroup is gone.
    pub fn place(&self, pid: u32) -> Result<(), Error> {
        either!(self, cgroup => cgroup.place(pid), Ok(()))
    }

    /// The cgroup, or one above it, is frozen or freezing: nothing that enters it would run.
    ///
    /// # Errors
    /// When the state cannot be read; a cgroup that is gone is not frozen.
    pub fn frozen(&self) -> Result<bool, Error> {
        either!(self, cgroup => cgroup.frozen(), Ok(false))
    }

    /// Freezes every process and waits until they stand still, ten seconds at most.
    ///
    /// # Errors
    /// [`Error::Timeout`], after which the cgroup is thawed again; [`Error::NoFreezer`].
    pub fn freeze(&self) -> Result<(), Error> {
        either!(self, cgroup => cgroup.freeze(), Err(Error::NoFreezer))
    }

    /// Lets every process run again and waits until they do, ten seconds at most.
    ///
    /// # Errors
    /// [`Error::Frozen`] when a cgroup above this one is frozen; else as [`Cgroup::freeze`].
    pub fn resume(&self) -> Result<(), Error> {
        either!(self, cgroup => cgroup.resume(), Err(Error::NoFreezer))
    }

    /// The controllers that the container's cgroup itself has, as facts for [`skiff_plan::update`].
    ///
    /// # Errors
    /// When the list of version 2 cannot be read.
    pub fn facts(&self) -> Result<CgroupFacts, Error> {
        Ok(match &self.kind {
            Kind::Disabled => CgroupFacts::None,
            Kind::V1(cgroup) => CgroupFacts::V1(
                cgroup
                    .record()
                    .into_iter()
                    .map(|(controllers, mount)| Hierarchy { mount, controllers, own: PathBuf::new() })
                    .collect(),
            ),
            Kind::V2(cgroup) => {
                CgroupFacts::V2 { mount: cgroup.path().to_owned(), controllers: cgroup.controllers()?, own: PathBuf::new() }
            }
        })
    }

    /// Refuses limits at or below what is used: lowering them would end a process.
    ///
    /// # Errors
    /// [`Error::InUse`], or the usage cannot be read.
    pub fn check_memory(&self, check: &MemoryCheck) -> Result<(), Error> {
        either!(self, cgroup => cgroup.check_memory(check), Ok(()))
    }

    /// Writes new limits, tells systemd of them, and exchanges the device filter. On an error the limits are as they were.
    ///
    /// # Errors
    /// A value that the kernel or systemd refuses, a filter that cannot be attached.
    pub fn update(&self, update: &CgroupUpdate) -> Result<(), Error> {
        either!(self, cgroup => {
            let mut undo = cgroup.limit(&update.writes)?;
            if let Some(rules) = &update.devices {
                undo = undo.and(cgroup.change_devices(rules))?;
            }
            let Some(unit) = self.unit.as_ref().filter(|_| !update.properties.is_empty()) else { return Ok(()) };
            // Last, since what it held is not to be had back. It writes its own idea of each value into the files (processor time
            // in steps of 10 ms), so the exact ones follow.
            let told = cgroup.undisturbed(|| systemd::set_properties(unit, &update.properties));
            told.and_then(|()| cgroup.limit(&update.writes).map(drop)).inspect_err(|_| undo.now())
        }, Ok(()))
    }

    /// Makes a host user the owner of the cgroup, so that the container's processes can manage cgroups below it
    /// (runtime-spec, config-linux.md, "Cgroup ownership"); on version 2 only.
    ///
    /// # Errors
    /// As chown(2).
    pub fn give_to(&self, uid: u32) -> Result<(), Error> {
        match &self.kind {
            Kind::V2(cgroup) => cgroup.give_to(uid),
            _ => Ok(()),
        }
    }

    /// Lets every process end that has been sent SIGKILL: on version 1 a frozen one, here or below, would not even notice.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn let_end(&self) -> Result<(), Error> {
        match &self.kind {
            Kind::V1(cgroup) => cgroup.thaw_all(),
            _ => Ok(()),
        }
    }

    /// The processes of this cgroup and of those below it, sorted; none when it is gone.
    ///
    /// # Errors
    /// When a list cannot be read.
    pub fn pids(&self) -> Result<Vec<u32>, Error> {
        either!(self, cgroup => cgroup.pids(), Ok(Vec::new()))
    }

    /// Sends a signal to every process, and to none twice or that was forked past it. A paused container stays paused,
    /// but for SIGKILL, which a frozen process of version 1 would not notice.
    ///
    /// # Errors
    /// When processes cannot be listed, frozen or signalled; no processes are no error.
    pub fn signal_all(&self, signal: i32) -> Result<(), Error> {
        either!(self, cgroup => cgroup.signal_all(signal), Ok(()))
    }

    /// Kills every process and waits until the cgroup is empty, ten seconds at most.
    ///
    /// # Errors
    /// [`Error::Timeout`] when a process does not end, and as [`Cgroup::signal_all`].
    pub fn kill(&self) -> Result<(), Error> {
        either!(self, cgroup => cgroup.kill(), Ok(()))
    }

    /// How many processes the kernel has killed here for want of memory; `None` where nobody counts.
    #[must_use]
    pub fn oom_kills(&self) -> Option<u64> {
        either!(self, cgroup => cgroup.oom_kills(), None)
    }

    /// What the container uses and has used.
    ///
    /// # Errors
    /// [`Error::NoCgroup`], `ENOENT` when the cgroup is gone, a file that cannot be read or understood; one that is not there is
    /// none.
    pub fn stats(&self) -> Result<Stats, Error> {
        either!(self, cgroup => cgroup.stats(), Err(Error::NoCgroup))
    }

    /// Watches over the container until its first process (a pidfd) and all others have ended, or `output` has no reader any
    /// more. `interval` is greater than zero.
    ///
    /// # Errors
    /// [`Error::NoCgroup`], or the kernel refuses a descriptor.
    pub fn watch<'o>(&self, init: OwnedFd, interval: Duration, output: BorrowedFd<'o>) -> Result<Watch<'o>, Error> {
        let (oom, events) = either!(self, cgroup => (cgroup.oom()?, cgroup.events()?), return Err(Error::NoCgroup));
        Watch::new(init, interval, output, oom, events)
    }

    /// Removes the container's own directories, with those below them, after stopping the unit that they belong to; what
    /// lies above stays. A missing unit or directory is fine.
    ///
    /// # Errors
    /// A unit that could not be stopped, and every directory that would not go, `EBUSY` after about a second of retries.
    pub fn remove(&self) -> Result<(), Error> {
        let there = self.record().dirs.iter().any(|(_, dir)| dir.is_dir());
        let stopped = match self.unit.as_ref().map_or(Ok(()), systemd::stop) {
            // A manager that has gone has taken its units along; a directory says that it has not.
            Err(Error::Unit { why: UnitError::NoManager { .. }, .. }) if !there => Ok(()),
            other => other,
        };
        Error::all([stopped.err(), self.remove_directories().err()].into_iter().flatten().collect())
    }

    fn remove_directories(&self) -> Result<(), Error> {
        either!(self, cgroup => cgroup.remove(), Ok(()))
    }
}
