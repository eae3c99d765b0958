//! The place where the runtime is called: one bundle, one state root, one cgroup view; and what may not be left in it.

use crate::cache;
use crate::tracer::{HANGS_AFTER, STUB};
use crate::workload::Workload;
use nix::errno::Errno;
use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use skiff_testbed::bundle::make_rootfs;
use skiff_testbed::view::View;
use skiff_testbed::{Context, Error};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Processes that were signalled, or that saw their parent end, are given this long to be gone: what is still there then will
/// stay, however busy the machine is.
const GONE_WITHIN: Duration = Duration::from_secs(60);

/// The name of the cgroup of a compiler's worker, before as many digits of the module's digest.
const COMPILERS: &str = "skiff-compile-";
const COMPILERS_DIGITS: usize = 16;

const STAYS: &str = "config.json";
const ENDS: &str = "ends.json";
const INIT_PID: &str = "pid";
const EXEC_PID: &str = "exec-pid";

/// A finished call of the runtime.
pub struct Call {
    /// Exit code; `None`: killed by a signal.
    pub code: Option<i32>,
    /// Its standard error.
    pub stderr: String,
}

/// See the module.
pub struct Lab {
    dir: PathBuf,
    runtime: PathBuf,
    view: View,
    /// What the containers run.
    pub workload: Workload,
    mounts: String,
}

impl Lab {
    /// Makes the bundle below the temporary directory. The process must have entered `view`.
    pub fn new(runtime: &Path, view: View, workload: Workload) -> Result<Lab, Error> {
        let dir = std::env::temp_dir().join(format!("skiff-faults-{view}-{workload}-{}", std::process::id()));
        let bundle = dir.join("bundle");
        make_rootfs(&bundle)?;
        workload.install(&bundle.join("rootfs"))?;
        for (name, stays) in [(STAYS, true), (ENDS, false)] {
            let path = bundle.join(name);
            fs::write(&path, workload.spec(view, stays).to_string()).context(|| format!("write {}", path.display()))?;
        }
        let runtime = fs::canonicalize(runtime).context(|| format!("find {}", runtime.display()))?;
        Ok(Lab { dir, runtime, view, workload, mounts: mountinfo()? })
    }

    /// A name that no other run on this machine uses.
    pub fn id(&self, number: usize) -> String {
        format!("faults-{}-{}-{}-{number}", self.view, self.workload, std::process::id())
    }

    /// The arguments of `create ID`, for a container that stays.
    pub fn create_args(&self, id: &str) -> Vec<String> {
        self.launch_args("create", STAYS, id)
    }

    /// The arguments of `run ID`, for a container that ends by itself.
    pub fn run_args(&self, id: &str) -> Vec<String> {
        self.launch_args("run", ENDS, id)
    }

    /// The arguments of `exec --detach ID`, for a process that stays.
    pub fn exec_args(&self, id: &str) -> Vec<String> {
        let mut args = ["exec", "--detach", "--pid-file", &self.path(EXEC_PID), id].map(str::to_owned).to_vec();
        args.extend(self.workload.args(true));
        args
    }

    fn launch_args(&self, verb: &str, config: &str, id: &str) -> Vec<String> {
        let words = [verb, "--bundle", &self.path("bundle"), "--config", config, "--pid-file", &self.path(INIT_PID), id];
        words.map(str::to_owned).to_vec()
    }

    fn path(&self, name: &str) -> String {
        self.dir.join(name).to_string_lossy().into_owned()
    }

    /// Compiles the module now; why this machine cannot.
    pub fn compile(&self) -> Result<(), Error> {
        let module = self.path("bundle/rootfs/look.wasm");
        match self.call(&["wasm", "compile", &module])? {
            call if call.code == Some(0) => Ok(()),
            call => Err(call.stderr.trim_end().to_owned().into()),
        }
    }

    /// The runtime with `args`, to be run here by [`Lab::call`], or by the tracer when `traced`.
    pub fn command(&self, args: &[impl AsRef<OsStr>], traced: bool) -> Result<Command, Error> {
        let mut command = if traced {
            let me = std::env::current_exe().context(|| "find this program".into())?;
            let mut stub = Command::new(me);
            stub.arg(STUB).arg(&self.runtime);
            stub
        } else {
            Command::new(&self.runtime)
        };
        let file = |name| File::create(self.dir.join(name)).context(|| format!("make {name}"));
        command.arg("--root").arg(self.dir.join("state")).args(args).current_dir(&self.dir);
        command.env("XDG_CACHE_HOME", cache::ABOVE);
        command.stdin(Stdio::null()).stdout(file("stdout")?).stderr(file("stderr")?);
        Ok(command)
    }

    /// Runs the runtime to its end.
    pub fn call(&self, args: &[impl AsRef<OsStr>]) -> Result<Call, Error> {
        let mut child = self.command(args, false)?.spawn().context(|| "run the runtime".into())?;
        let deadline = Instant::now() + HANGS_AFTER;
        loop {
            if let Some(status) = child.try_wait().context(|| "wait for the runtime".into())? {
                return Ok(Call { code: status.code(), stderr: self.stderr() });
            }
            // What exec has put into a container is a child of this process by now, and the container's init waits for its end.
            for other in children()?.into_iter().filter(|pid| pid.as_raw().unsigned_abs() != child.id()) {
                let _ = waitpid(other, Some(WaitPidFlag::WNOHANG));
            }
            if Instant::now() > deadline {
                child.kill().context(|| "kill the runtime".into())?;
                child.wait().context(|| "wait for the runtime".into())?;
                return Ok(Call { code: None, stderr: format!("hangs; {}", self.stderr()) });
            }
            std::thread::sleep(Duration::from_micros(300));
        }
    }

    /// Standard error of the last call, the container's included.
    pub fn stderr(&self) -> String {
        fs::read_to_string(self.dir.join("stderr")).unwrap_or_default()
    }

    /// Standard output of the last call.
    pub fn stdout(&self) -> String {
        fs::read_to_string(self.dir.join("stdout")).unwrap_or_default()
    }

    /// What the payload that is `pid` printed, once it has said that it is ready and waits. `start` truncates nothing of
    /// it: create's file has lost its name by then, so the payload's descriptor is read.
    pub fn payload_output(&self, pid: Pid) -> Result<String, Error> {
        let path = format!("/proc/{pid}/fd/1");
        let deadline = Instant::now() + GONE_WITHIN;
        loop {
            let text = fs::read_to_string(&path).context(|| format!("read {path} of the payload ({})", self.stderr()))?;
            if text.ends_with("ready\n") && self.waits(pid) {
                return Ok(text.replace('\0', "\n"));
            }
            if Instant::now() > deadline {
                return Err(format!("the payload did not get ready, but printed {text:?}").into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// It is asleep for long: before, its environment or its descriptors differ.
    fn waits(&self, pid: Pid) -> bool {
        let asleep = fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") S "));
        // The shell has become sleep.
        let became = || fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "sleep\n");
        asleep && (self.workload.is_module() || became())
    }

    /// The pid that `create` wrote.
    pub fn pid(&self) -> Result<Pid, Error> {
        self.read_pid(INIT_PID)
    }

    /// The pid that `exec` wrote.
    pub fn exec_pid(&self) -> Result<Pid, Error> {
        self.read_pid(EXEC_PID)
    }

    fn read_pid(&self, name: &str) -> Result<Pid, Error> {
        let text = fs::read_to_string(self.dir.join(name)).context(|| format!("read {name}"))?;
        text.parse().map(Pid::from_raw).context(|| format!("read {text:?} as a pid"))
    }

    /// Makes the next call write to new files: a payload may hold the old ones.
    pub fn fresh_outputs(&self) {
        for name in ["stdout", "stderr", EXEC_PID] {
            // Not there: as wanted.
            let _ = fs::remove_file(self.dir.join(name));
        }
    }

    /// Everything of the container `id` that is still there.
    pub fn leftovers(&self, id: &str) -> Result<Vec<String>, Error> {
        let mut left = self.children_left()?;
        left.extend(names(&self.dir.join("state")).into_iter().map(|name| format!("state directory {name}")));
        let mut cgroups = Vec::new();
        find_named(Path::new("/sys/fs/cgroup"), id, 6, &mut cgroups);
        left.extend(cgroups.into_iter().map(|path| format!("cgroup {}", path.display())));
        left.extend(self.new_mounts()?.into_iter().map(|line| format!("mount {line}")));
        left.extend(processes_naming(id)?);
        Ok(left)
    }

    /// cgroups of compilers of the module with this digest, all of which have ended.
    pub fn compilers_left(&self, digest: &str) -> Vec<String> {
        let mut cgroups = Vec::new();
        let name = format!("{COMPILERS}{}", digest.get(..COMPILERS_DIGITS).unwrap_or_default());
        find_named(Path::new("/sys/fs/cgroup"), &name, 1, &mut cgroups);
        cgroups.iter().map(|path| format!("cgroup {}", path.display())).collect()
    }

    /// Processes that are children of this one, which is where those of a container end up, other than its first.
    pub fn strangers(&self) -> Result<Vec<String>, Error> {
        let init = self.pid()?;
        let others = children()?.into_iter().filter(|pid| *pid != init && !has_ended(*pid));
        Ok(others.map(|pid| format!("process {pid} {}", command_line(pid))).collect())
    }

    fn new_mounts(&self) -> Result<Vec<String>, Error> {
        Ok(mountinfo()?.lines().filter(|line| !self.mounts.contains(line)).map(str::to_owned).collect())
    }

    /// Waits for children to end by themselves. This process is the subreaper of all, so none can hide.
    fn children_left(&self) -> Result<Vec<String>, Error> {
        let deadline = Instant::now() + GONE_WITHIN;
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Err(Errno::ECHILD) => return Ok(Vec::new()),
                Ok(WaitStatus::StillAlive) if Instant::now() > deadline => {
                    return Ok(children()?.iter().map(|pid| format!("process {pid} {}", command_line(*pid))).collect());
                }
                Ok(WaitStatus::StillAlive) => std::thread::sleep(Duration::from_millis(1)),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error).context(|| "wait for what the runtime left".into()),
            }
        }
    }

    /// Removes by force what a failing runtime left, so that the next case starts clean.
    pub fn sweep(&self, id: &str) -> Result<(), Error> {
        let mut cgroups = Vec::new();
        find_named(Path::new("/sys/fs/cgroup"), id, 6, &mut cgroups);
        for dir in &cgroups {
            // Only version 1 has the first, only version 2 the second.
            let _ = fs::write(dir.join("freezer.state"), "THAWED");
            let _ = fs::write(dir.join("cgroup.kill"), "1");
        }
        for pid in children()? {
            let _ = kill(pid, Signal::SIGKILL);
        }
        self.children_left()?;
        for mount in self.new_mounts()?.iter().rev().filter_map(|line| line.split(' ').nth(4)) {
            let _ = umount2(mount, MntFlags::MNT_DETACH);
        }
        for dir in cgroups.iter().rev() {
            let _ = fs::remove_dir(dir);
        }
        let _ = fs::remove_dir_all(self.dir.join("state"));
        Ok(())
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Directories below `dir` whose name contains `id`, parents first.
pub fn find_named(dir: &Path, id: &str, depth: u32, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        if entry.file_name().to_string_lossy().contains(id) {
            found.push(entry.path());
        }
        if depth > 0 {
            find_named(&entry.path(), id, depth - 1, found);
        }
    }
}

/// Lets the compilers of these monitors have the processor as everybody else has it.
pub fn hurry(monitors: impl Iterator<Item = Pid>) {
    let monitors: Vec<String> = monitors.map(|pid| format!("-{pid}")).collect();
    let mut cgroups = Vec::new();
    find_named(Path::new("/sys/fs/cgroup"), COMPILERS, 1, &mut cgroups);
    for dir in cgroups.iter().filter(|dir| monitors.iter().any(|end| dir.to_string_lossy().ends_with(end.as_str()))) {
        for (file, usual) in [("cpu.shares", "1024"), ("cpu.idle", "0"), ("cpu.weight", "100")] {
            // Each is one version's only, and only where that has the controller.
            let _ = fs::OpenOptions::new().write(true).open(dir.join(file)).and_then(|mut file| file.write_all(usual.as_bytes()));
        }
    }
}

fn has_ended(pid: Pid) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "))
}

fn mountinfo() -> Result<String, Error> {
    fs::read_to_string("/proc/self/mountinfo").context(|| "read mountinfo".into())
}

fn children() -> Result<Vec<Pid>, Error> {
    let me = std::process::id();
    let text = fs::read_to_string(format!("/proc/self/task/{me}/children")).context(|| "list children".into())?;
    Ok(text.split_whitespace().filter_map(|pid| pid.parse().ok().map(Pid::from_raw)).collect())
}

fn command_line(pid: Pid) -> String {
    fs::read(format!("/proc/{pid}/cmdline")).map(|raw| String::from_utf8_lossy(&raw).replace('\0', " ")).unwrap_or_default()
}

/// Processes whose command line holds `id`: the runtime's own, wherever they were reparented to.
fn processes_naming(id: &str) -> Result<Vec<String>, Error> {
    let entries = fs::read_dir("/proc").context(|| "read /proc".into())?.flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Pid::from_raw));
    let named = pids.map(|pid| (pid, command_line(pid))).filter(|(_, line)| line.split(' ').any(|word| word == id));
    Ok(named.map(|(pid, line)| format!("process {pid} {line}")).collect())
}
