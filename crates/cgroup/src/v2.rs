//! One directory in the unified hierarchy (`Documentation/admin-guide/cgroup-v2.rst`).

use crate::files::{Dir, Made, gone, number, require_above};
use crate::kill::{self, PATIENCE};
use crate::update::{self, Undo};
use crate::watch::{self, Oom};
use crate::{Error, Stats, delegate, device_bpf, remove, stats, write};
use nix::errno::Errno;
use nix::sys::statfs::CGROUP2_SUPER_MAGIC;
use skiff_plan::{CgroupWrite, DeviceRule, MemoryCheck};
use skiff_sys::bpf;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The container's cgroup.
#[derive(Debug)]
pub(crate) struct V2 {
    path: PathBuf,
    /// `None`: it is gone.
    dir: Option<Dir>,
}

/// Where a controller could not be enabled.
type Refused = Option<(PathBuf, Errno)>;

impl V2 {
    pub(crate) fn create(
        mount: &Path,
        path: &Path,
        controllers: &[String],
        writes: &[CgroupWrite],
        devices: Option<&[DeviceRule]>,
    ) -> Result<V2, Error> {
        Self::make(mount, path, controllers, writes, devices, check_free)
    }

    /// As [`V2::create`], for a directory that systemd has made, perhaps with the container's process in it.
    pub(crate) fn adopt(
        mount: &Path,
        path: &Path,
        controllers: &[String],
        writes: &[CgroupWrite],
        devices: Option<&[DeviceRule]>,
    ) -> Result<V2, Error> {
        Self::make(mount, path, controllers, writes, devices, |_| Ok(()))
    }

    fn make(
        mount: &Path,
        path: &Path,
        controllers: &[String],
        writes: &[CgroupWrite],
        devices: Option<&[DeviceRule]>,
        check: impl Fn(&Dir) -> Result<(), Error>,
    ) -> Result<V2, Error> {
        let mut refused: Refused = None;
        let mount = Dir::mount(mount, CGROUP2_SUPER_MAGIC)?;
        let (dir, made) = Made::walk(mount, path, |above| enable(above, controllers, &mut refused))?;
        // A new directory of the mount itself has nobody in it and nothing above it that could be frozen.
        if !made.leaf_is_new() || path.components().count() > 1 {
            check(&dir)?;
        }
        if refused.is_some() {
            check_controllers(&dir, writes, refused)?;
        }
        write::all(writes, |_| Some(&dir))?;
        if let Some(rules) = devices {
            filter_devices(&dir, rules, made.leaf_is_new())?;
        }
        made.keep();
        Ok(V2 { path: dir.path().to_owned(), dir: Some(dir) })
    }

    pub(crate) fn open(path: &Path) -> V2 {
        V2 { path: path.to_owned(), dir: Dir::open(path).ok() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.dir.as_ref().map(AsFd::as_fd)
    }

    pub(crate) fn place(&self, pid: u32) -> Result<(), Error> {
        self.there()?.put("cgroup.procs", &pid.to_string())
    }

    /// Asked to freeze, or standing still because a cgroup above it is frozen.
    pub(crate) fn frozen(&self) -> Result<bool, Error> {
        let Some(dir) = &self.dir else { return Ok(false) };
        Ok(number(&read_if_there(dir, "cgroup.events")?, "frozen") == Some(1) || self_frozen(dir)?)
    }

    pub(crate) fn freeze(&self) -> Result<(), Error> {
        let Some(dir) = &self.dir else { return Ok(()) };
        dir.put("cgroup.freeze", "1")?;
        if kill::wait_event(dir, "frozen", 1, Instant::now() + PATIENCE)? {
            return Ok(());
        }
        // Half frozen is the worst state to leave it in.
        dir.put("cgroup.freeze", "0")?;
        Err(Error::Timeout { act: "freeze", dir: self.path.clone() })
    }

    pub(crate) fn thaw(&self) -> Result<(), Error> {
        let Some(dir) = &self.dir else { return Ok(()) };
        match dir.write("cgroup.freeze", "0") {
            Err(errno) if gone(errno) => Ok(()),
            other => other.map_err(|errno| dir.write_error("cgroup.freeze", "", "0", errno)),
        }
    }

    /// The kernel lets go of a frozen process a moment after it was told to.
    pub(crate) fn resume(&self) -> Result<(), Error> {
        self.thaw()?;
        let Some(dir) = &self.dir else { return Ok(()) };
        if let Some(above) = frozen_above(&self.path) {
            return Err(Error::Frozen(above));
        }
        if kill::wait_event(dir, "frozen", 0, Instant::now() + PATIENCE)? {
            return Ok(());
        }
        Err(Error::Timeout { act: "thaw", dir: self.path.clone() })
    }

    pub(crate) fn controllers(&self) -> Result<Vec<String>, Error> {
        let dir = self.there()?;
        let file = "cgroup.controllers";
        let names = dir.read(file).map_err(|errno| dir.read_error(file, errno))?;
        Ok(names.split_whitespace().map(str::to_owned).collect())
    }

    pub(crate) fn check_memory(&self, check: &MemoryCheck) -> Result<(), Error> {
        let dir = self.there()?;
        let memory = dir.value("memory.current")?;
        require_above("memory", check.limit, memory)?;
        // A kernel without swap accounting has no such file, and nothing to count.
        let swap = dir.value("memory.swap.current").unwrap_or(0);
        check.total.map_or(Ok(()), |total| require_above("memory and swap", total, memory.saturating_add(swap)))
    }

    pub(crate) fn limit(&self, writes: &[CgroupWrite]) -> Result<Undo<'_>, Error> {
        let dir = self.there()?;
        update::all(writes, |_| Some(dir))
    }

    pub(crate) fn change_devices(&self, rules: &[DeviceRule]) -> Result<Undo<'_>, Error> {
        let dir = self.there()?;
        let (new, old) = filter_devices(dir, rules, false)?;
        Ok(Undo::by(move || {
            for program in &old {
                let _ = bpf::prog_attach(dir.as_fd(), program.as_fd(), None);
            }
            let _ = bpf::prog_detach(dir.as_fd(), new.as_fd());
        }))
    }

    /// Has systemd told something: its filter of devices stands beside ours, and changes at one blow.
    pub(crate) fn undisturbed(&self, tell: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
        tell()
    }

    pub(crate) fn give_to(&self, uid: u32) -> Result<(), Error> {
        delegate::give(self.there()?, uid)
    }

    fn there(&self) -> Result<&Dir, Error> {
        self.dir.as_ref().ok_or_else(|| Error::path("open", &self.path, Errno::ENOENT))
    }

    pub(crate) fn pids(&self) -> Result<Vec<u32>, Error> {
        self.dir.as_ref().map_or(Ok(Vec::new()), kill::pids)
    }

    pub(crate) fn signal_all(&self, signal: i32) -> Result<(), Error> {
        let Some(dir) = &self.dir else { return Ok(()) };
        if signal == libc::SIGKILL && kill_at_once(dir)? {
            return Ok(());
        }
        // Without standing still, a process that forks meanwhile would leave a child without the signal.
        let paused = self_frozen(dir)?;
        match self.freeze() {
            Err(error) if error.errno().is_some_and(gone) => return Ok(()),
            // A process in an uninterruptible sleep cannot be frozen; the signal must reach the others nevertheless.
            Ok(()) | Err(Error::Timeout { .. }) => {}
            Err(error) => return Err(error),
        }
        let sent = kill::signal_each(dir, signal).map(drop);
        let thawed = if paused && signal != libc::SIGKILL { Ok(()) } else { self.thaw() };
        Error::all([sent.err(), thawed.err()].into_iter().flatten().collect())
    }

    pub(crate) fn kill(&self) -> Result<(), Error> {
        let Some(dir) = &self.dir else { return Ok(()) };
        self.signal_all(libc::SIGKILL)?;
        if kill::wait_event(dir, "populated", 0, Instant::now() + PATIENCE)? {
            return Ok(());
        }
        Err(Error::Timeout { act: "kill the processes of", dir: self.path.clone() })
    }

    /// Counts what the kernel killed below this cgroup too.
    pub(crate) fn oom_kills(&self) -> Option<u64> {
        number(&self.dir.as_ref()?.read("memory.events").ok()?, "oom_kill")
    }

    pub(crate) fn stats(&self) -> Result<Stats, Error> {
        let dir = self.dir.as_ref().ok_or_else(|| Error::path("open", &self.path, Errno::ENOENT))?;
        let stats = stats::v2::read(dir)?;
        // What was removed meanwhile has no files, which would read as no controllers.
        dir.read("cgroup.controllers").map(|_| stats).map_err(|errno| dir.read_error("cgroup.controllers", errno))
    }

    pub(crate) fn oom(&self) -> Result<Option<Oom>, Error> {
        self.dir.as_ref().map_or(Ok(None), Oom::counted)
    }

    pub(crate) fn events(&self) -> Result<Option<OwnedFd>, Error> {
        self.dir.as_ref().map_or(Ok(None), |dir| watch::reader(dir, "cgroup.events"))
    }

    pub(crate) fn remove(&self) -> Result<(), Error> {
        remove::tree(&self.path, Instant::now() + remove::PATIENCE)
    }
}

/// Enables the controllers for the children of `dir`, as far as that goes: `refused` remembers the first that did not.
fn enable(dir: &Dir, controllers: &[String], refused: &mut Refused) -> Result<(), Error> {
    if controllers.is_empty() {
        return Ok(());
    }
    let file = "cgroup.subtree_control";
    let enabled = dir.read(file).map_err(|errno| dir.read_error(file, errno))?;
    let missing: Vec<String> = controllers
        .iter()
        .filter(|wanted| !enabled.split_whitespace().any(|name| name == *wanted))
        .map(|name| format!("+{name}"))
        .collect();
    if missing.is_empty() || dir.write(file, &missing.join(" ")).is_ok() {
        return Ok(());
    }
    // One that is refused keeps the others from being enabled.
    for name in missing {
        if let Err(errno) = dir.write(file, &name) {
            refused.get_or_insert((dir.path().to_owned(), errno));
        }
    }
    Ok(())
}

/// A refusal on the way down matters only if a controller that a limit needs is missing in the end.
fn check_controllers(dir: &Dir, writes: &[CgroupWrite], refused: Refused) -> Result<(), Error> {
    let file = "cgroup.controllers";
    let present = dir.read(file).map_err(|errno| dir.read_error(file, errno))?;
    let mut needed = writes.iter().filter(|write| !write.optional && write.controller != "cgroup");
    match needed.find(|write| !present.split_whitespace().any(|name| name == write.controller)) {
        None => Ok(()),
        Some(write) => Err(Error::Controller {
            controller: write.controller.to_string(),
            dir: dir.path().to_owned(),
            field: write.field,
            refused,
        }),
    }
}

/// The container must have the cgroup for itself, and must be able to run in it. An empty cgroup counts as frozen as
/// soon as it or one above it is (kernel/cgroup/freezer.c), so this one file answers both.
fn check_free(dir: &Dir) -> Result<(), Error> {
    let events = dir.read("cgroup.events").map_err(|errno| dir.read_error("cgroup.events", errno))?;
    if number(&events, "populated") == Some(1) {
        return Err(Error::NotEmpty { dir: dir.path().to_owned(), processes: kill::pids(dir)?.len() });
    }
    if number(&events, "frozen") == Some(1) {
        return Err(Error::Frozen(dir.path().to_owned()));
    }
    Ok(())
}

/// Attaches the device filter. Programs that an earlier user of the directory left go away: all that are attached
/// must allow an access, so they could only take something from the container. Returns the new one and these.
fn filter_devices(dir: &Dir, rules: &[DeviceRule], fresh: bool) -> Result<(OwnedFd, Vec<OwnedFd>), Error> {
    let failed = |errno| Error::path("attach the device filter to", dir.path(), errno);
    let old = if fresh { Vec::new() } else { bpf::prog_attached(dir.as_fd()).map_err(failed)? };
    let program = bpf::prog_load_cgroup_device(&device_bpf::program(rules)).map_err(|error| Error::DeviceFilter {
        dir: dir.path().to_owned(),
        errno: error.errno,
        log: error.log,
    })?;
    if let [one] = old.as_slice() {
        // In one step: no access is decided by two filters, or by none.
        bpf::prog_attach(dir.as_fd(), program.as_fd(), Some(one.as_fd())).map_err(failed)?;
    } else {
        bpf::prog_attach(dir.as_fd(), program.as_fd(), None).map_err(failed)?;
        old.iter().try_for_each(|program| bpf::prog_detach(dir.as_fd(), program.as_fd())).map_err(failed)?;
    }
    Ok((program, old))
}

/// Kills everything below `dir` without a race against fork (Linux 5.14); false where the kernel cannot.
fn kill_at_once(dir: &Dir) -> Result<bool, Error> {
    match dir.write("cgroup.kill", "1") {
        Ok(()) => Ok(true),
        Err(Errno::ENODEV) => Ok(true),
        // No such file, or a threaded cgroup.
        Err(Errno::ENOENT | Errno::EOPNOTSUPP) => Ok(false),
        Err(errno) => Err(dir.write_error("cgroup.kill", "", "1", errno)),
    }
}

/// The closest cgroup above that was told to freeze.
fn frozen_above(path: &Path) -> Option<PathBuf> {
    let told = |dir: &&Path| std::fs::read_to_string(dir.join("cgroup.freeze")).is_ok_and(|text| text.trim() == "1");
    path.ancestors().skip(1).find(told).map(Path::to_owned)
}

fn self_frozen(dir: &Dir) -> Result<bool, Error> {
    Ok(read_if_there(dir, "cgroup.freeze")?.trim() == "1")
}

/// Nothing, when the cgroup has been removed meanwhile or the kernel is too old for the file.
fn read_if_there(dir: &Dir, file: &str) -> Result<String, Error> {
    match dir.read(file) {
        Err(errno) if gone(errno) => Ok(String::new()),
        other => other.map_err(|errno| dir.read_error(file, errno)),
    }
}
