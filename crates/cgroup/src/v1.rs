//! One directory in each version 1 hierarchy (`Documentation/admin-guide/cgroup-v1`), and in the cgroup2 tree of a
//! hybrid host, which has no controllers of ours.

mod devices;

use crate::files::{Dir, Made, gone, number, require_above};
use crate::kill::{self, PATIENCE};
use crate::systemd::{self, is_slice};
use crate::update::{self, Undo};
use crate::watch::{self, Oom};
use crate::{Error, Stats, remove, stats, write};
use nix::errno::Errno;
use nix::sys::statfs::{CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC};
use skiff_plan::{CgroupWrite, DeviceRule, MemoryCheck, SystemdUnit, V1Dir};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The container's cgroup: its directory in every hierarchy.
#[derive(Debug)]
pub(crate) struct V1 {
    dirs: Vec<Place>,
}

/// The directory in one hierarchy.
#[derive(Debug)]
struct Place {
    controllers: String,
    path: PathBuf,
    /// `None`: it is gone.
    dir: Option<Dir>,
}

impl Place {
    fn has(&self, controller: &str) -> bool {
        self.controllers.split(',').any(|name| name == controller)
    }
}

impl V1 {
    pub(crate) fn create(layout: &[V1Dir], writes: &[CgroupWrite], devices: Option<&[DeviceRule]>) -> Result<V1, Error> {
        let mut made = Vec::new();
        let cgroup = Self::make(layout, writes, devices, None, &mut made)?;
        made.into_iter().for_each(Made::keep);
        Ok(cgroup)
    }

    /// As [`V1::create`], after systemd has made the unit: it puts the process into its own hierarchies and, where they
    /// have a limit, into those of some controllers; the rest is ours. What we make goes into `made`.
    pub(crate) fn adopt(
        layout: &[V1Dir],
        writes: &[CgroupWrite],
        devices: Option<&[DeviceRule]>,
        unit: &SystemdUnit,
        pid: u32,
        made: &mut Vec<Made>,
    ) -> Result<V1, Error> {
        let layout = layout.iter().map(|dir| located(dir, unit, pid)).collect::<Result<Vec<_>, _>>()?;
        let cgroup = Self::make(&layout, writes, devices, Some(pid), made)?;
        let unplaced = cgroup.dirs.iter().filter(|place| is_slice(&unit.name) || !systemds_own(&place.controllers));
        unplaced.filter_map(|place| place.dir.as_ref()).try_for_each(|dir| dir.put("cgroup.procs", &pid.to_string()))?;
        Ok(cgroup)
    }

    /// `guest` may be in it already.
    fn make(
        layout: &[V1Dir],
        writes: &[CgroupWrite],
        devices: Option<&[DeviceRule]>,
        guest: Option<u32>,
        all_made: &mut Vec<Made>,
    ) -> Result<V1, Error> {
        let mut dirs = Vec::new();
        for wanted in layout {
            let (place, made) = make(wanted)?;
            dirs.push(place);
            all_made.push(made);
        }
        let cgroup = V1 { dirs };
        cgroup.check_free(all_made, guest)?;
        write::all(writes, |controller| cgroup.dir(controller))?;
        cgroup.fill_cpuset(all_made)?;
        if let Some(rules) = devices {
            cgroup.restrict_devices(rules)?;
        }
        Ok(cgroup)
    }

    pub(crate) fn open(dirs: &[(String, PathBuf)]) -> V1 {
        let place = |(controllers, path): &(String, PathBuf)| Place {
            controllers: controllers.clone(),
            path: path.clone(),
            dir: Dir::open(path).ok(),
        };
        V1 { dirs: dirs.iter().map(place).collect() }
    }

    pub(crate) fn record(&self) -> Vec<(String, PathBuf)> {
        self.dirs.iter().map(|place| (place.controllers.clone(), place.path.clone())).collect()
    }

    /// The directory with the files of a controller.
    fn dir(&self, controller: &str) -> Option<&Dir> {
        self.dirs.iter().find(|place| place.has(controller))?.dir.as_ref()
    }

    /// The directory whose list of processes counts: that of the freezer, which must stop what is listed, or of the
    /// devices controller, which runc asks, or any.
    fn main(&self) -> Option<&Dir> {
        let any = || self.dirs.iter().find_map(|place| place.dir.as_ref());
        self.dir("freezer").or_else(|| self.dir("devices")).or_else(any)
    }

    pub(crate) fn place(&self, pid: u32) -> Result<(), Error> {
        for place in &self.dirs {
            let dir = place.dir.as_ref().ok_or_else(|| Error::path("open", &place.path, Errno::ENOENT))?;
            dir.put("cgroup.procs", &pid.to_string())?;
        }
        Ok(())
    }

    /// Frozen itself or because one above it is.
    pub(crate) fn frozen(&self) -> Result<bool, Error> {
        let Some(dir) = self.dir("freezer") else { return Ok(false) };
        match dir.read("freezer.state") {
            Ok(state) => Ok(state.trim() != "THAWED"),
            Err(errno) if gone(errno) => Ok(false),
            Err(errno) => Err(dir.read_error("freezer.state", errno)),
        }
    }

    /// A process that is being made while the cgroup freezes may escape the request, so it is repeated until the
    /// kernel says that all stand still. Version 1 tells nobody when they do: reading the state works it out.
    pub(crate) fn freeze(&self) -> Result<(), Error> {
        let Some(dir) = self.dir("freezer") else { return Err(Error::NoFreezer) };
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            dir.put("freezer.state", "FROZEN")?;
            let state = dir.read("freezer.state").map_err(|errno| dir.read_error("freezer.state", errno))?;
            if state.trim() == "FROZEN" {
                return Ok(());
            }
            std::thread::yield_now();
        }
        // Half frozen is the worst state to leave it in.
        self.thaw()?;
        Err(Error::Timeout { act: "freeze", dir: dir.path().to_owned() })
    }

    pub(crate) fn thaw(&self) -> Result<(), Error> {
        self.dir("freezer").map_or(Ok(()), thaw)
    }

    pub(crate) fn resume(&self) -> Result<(), Error> {
        self.thaw()?;
        match self.dir("freezer") {
            None => Err(Error::NoFreezer),
            Some(dir) if self.frozen()? => Err(Error::Frozen(dir.path().parent().unwrap_or(dir.path()).to_owned())),
            Some(_) => Ok(()),
        }
    }

    pub(crate) fn check_memory(&self, check: &MemoryCheck) -> Result<(), Error> {
        let Some(dir) = self.dir("memory") else { return Ok(()) };
        require_above("memory", check.limit, dir.value("memory.usage_in_bytes")?)?;
        // A kernel without swap accounting has no such file, and nothing to count.
        let total = dir.value("memory.memsw.usage_in_bytes").ok().zip(check.total);
        total.map_or(Ok(()), |(used, total)| require_above("memory and swap", total, used))
    }

    pub(crate) fn limit(&self, writes: &[CgroupWrite]) -> Result<Undo<'_>, Error> {
        update::all(writes, |controller| self.dir(controller))
    }

    pub(crate) fn pids(&self) -> Result<Vec<u32>, Error> {
        self.main().map_or(Ok(Vec::new()), kill::pids)
    }

    pub(crate) fn signal_all(&self, signal: i32) -> Result<(), Error> {
        self.signal_held(signal).map(drop)
    }

    /// Signals all at one moment, so that no process forks a child past it. A frozen process dies only once thawed.
    fn signal_held(&self, signal: i32) -> Result<Vec<OwnedFd>, Error> {
        let Some(dir) = self.main() else { return Ok(Vec::new()) };
        let paused = self.frozen()?;
        match self.freeze() {
            Err(error) if error.errno().is_some_and(gone) => return Ok(Vec::new()),
            // A process in an uninterruptible sleep cannot be frozen; the signal must reach the others nevertheless.
            Ok(()) | Err(Error::Timeout { .. } | Error::NoFreezer) => {}
            Err(error) => return Err(error),
        }
        let sent = kill::signal_each(dir, signal);
        match signal {
            libc::SIGKILL => self.thaw_all()?,
            _ if !paused => self.thaw()?,
            _ => {}
        }
        sent
    }

    /// A process that is to die may be frozen in a cgroup of the container's own, too.
    pub(crate) fn thaw_all(&self) -> Result<(), Error> {
        self.dir("freezer").map_or(Ok(()), |dir| dir.each(&mut thaw))
    }

    pub(crate) fn kill(&self) -> Result<(), Error> {
        let Some(dir) = self.main() else { return Ok(()) };
        let deadline = Instant::now() + PATIENCE;
        loop {
            let processes = self.signal_held(libc::SIGKILL)?;
            let ended = kill::wait_ended(&processes, deadline);
            if self.pids()?.is_empty() {
                return Ok(());
            }
            if !ended || Instant::now() >= deadline {
                return Err(Error::Timeout { act: "kill the processes of", dir: dir.path().to_owned() });
            }
            std::thread::yield_now();
        }
    }

    pub(crate) fn oom_kills(&self) -> Option<u64> {
        number(&self.dir("memory")?.read("memory.oom_control").ok()?, "oom_kill")
    }

    pub(crate) fn stats(&self) -> Result<Stats, Error> {
        let gone = || Error::path("open", self.dirs.first().map_or(Path::new(""), |place| &place.path), Errno::ENOENT);
        let dir = self.main().ok_or_else(gone)?;
        let stats = stats::v1::read(|controller| self.dir(controller))?;
        // What was removed meanwhile has no files, which would read as no controllers.
        dir.read("cgroup.procs").map(|_| stats).map_err(|errno| dir.read_error("cgroup.procs", errno))
    }

    pub(crate) fn oom(&self) -> Result<Option<Oom>, Error> {
        self.dir("memory").map_or(Ok(None), Oom::signalled)
    }

    /// `cgroup.events` of a hybrid host's unified hierarchy.
    pub(crate) fn events(&self) -> Result<Option<OwnedFd>, Error> {
        self.dir("").map_or(Ok(None), |dir| watch::reader(dir, "cgroup.events"))
    }

    pub(crate) fn remove(&self) -> Result<(), Error> {
        // One deadline for all: who lives in one hierarchy mostly lives in every one.
        let deadline = Instant::now() + remove::PATIENCE;
        Error::all(self.dirs.iter().filter_map(|place| remove::tree(&place.path, deadline).err()).collect())
    }

    /// The container must have the cgroup for itself, and must be able to run in it. Only a directory that was there
    /// before can hold processes; a new one can be frozen by one above it.
    fn check_free(&self, made: &[Made], guest: Option<u32>) -> Result<(), Error> {
        let old = self.dirs.iter().zip(made).filter(|(_, made)| !made.leaf_is_new());
        for dir in old.filter_map(|(place, _)| place.dir.as_ref()) {
            let processes = kill::pids(dir)?.iter().filter(|pid| Some(**pid) != guest).count();
            if processes > 0 {
                return Err(Error::NotEmpty { dir: dir.path().to_owned(), processes });
            }
        }
        match self.dir("freezer") {
            Some(dir) if self.frozen()? => Err(Error::Frozen(dir.path().to_owned())),
            _ => Ok(()),
        }
    }

    /// After the plan's values, since `cpuset.cpu_exclusive` of a sibling may forbid to take all of the parent's.
    fn fill_cpuset(&self, made: &[Made]) -> Result<(), Error> {
        let cpuset = self.dirs.iter().zip(made).find(|(place, _)| place.has("cpuset"));
        match cpuset {
            Some((Place { dir: Some(dir), .. }, made)) => made.parent().map_or(Ok(()), |parent| inherit_cpuset(parent, dir)),
            _ => Ok(()),
        }
    }
}

fn thaw(dir: &Dir) -> Result<(), Error> {
    match dir.write("freezer.state", "THAWED") {
        Err(errno) if gone(errno) => Ok(()),
        other => other.map_err(|errno| dir.write_error("freezer.state", "", "THAWED", errno)),
    }
}

/// A hierarchy that systemd keeps for itself: it makes the directory of every unit there.
fn systemds_own(controllers: &str) -> bool {
    matches!(controllers, "" | "name=systemd")
}

/// The directory as planned, or where systemd has put the process.
fn located(dir: &V1Dir, unit: &SystemdUnit, pid: u32) -> Result<V1Dir, Error> {
    let known = systemds_own(&dir.controllers) && !is_slice(&unit.name);
    let path = if known { systemd::found(&dir.mount, &dir.controllers, unit, pid)? } else { dir.path.clone() };
    Ok(V1Dir { path, ..dir.clone() })
}

/// The container's directory in one hierarchy.
fn make(wanted: &V1Dir) -> Result<(Place, Made), Error> {
    let unified = wanted.controllers.is_empty();
    let mount = Dir::mount(&wanted.mount, if unified { CGROUP2_SUPER_MAGIC } else { CGROUP_SUPER_MAGIC })?;
    let cpuset = wanted.controllers.split(',').any(|name| name == "cpuset");
    // The mount itself has everything; each directory below it must have something before its child can.
    let mut above: Option<PathBuf> = None;
    let (dir, made) = Made::walk(mount, &wanted.path, |dir| {
        if let Some(parent) = above.replace(dir.path().to_owned()).filter(|_| cpuset) {
            let parent = Dir::open(&parent).map_err(|errno| Error::path("open", &parent, errno))?;
            inherit_cpuset(&parent, dir)?;
        }
        Ok(())
    })?;
    Ok((Place { controllers: wanted.controllers.clone(), path: dir.path().to_owned(), dir: Some(dir) }, made))
}

/// A process cannot join a cpuset without processors and memory nodes, and a new one has none.
fn inherit_cpuset(parent: &Dir, dir: &Dir) -> Result<(), Error> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let read = |dir: &Dir| dir.read(file).map_err(|errno| dir.read_error(file, errno));
        if read(dir)?.trim().is_empty() {
            dir.put(file, read(parent)?.trim())?;
        }
    }
    Ok(())
}
