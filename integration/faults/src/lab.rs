//! The place where the runtime is called: one bundle, one state root, one cgroup view; and what may not be left in it.

use crate::tracer::{HANGS_AFTER, STUB};
use nix::errno::Errno;
use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use skiff_testbed::bundle::{default_spec, make_rootfs, set_args, write_config};
use skiff_testbed::view::View;
use skiff_testbed::{Context, Error};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What the container runs: it shows what only it can see, then stays.
const PAYLOAD: &str = "hostname; umask; ls /proc/self/fd | wc -l; stat -c '%n %f %t %T %u %g' /dev/*; \
    (: </dev/forbidden) 2>/dev/null && echo opened; (: >/proc/sys/kernel/hostname) 2>/dev/null && echo wrote; \
    (: >/bin/new) 2>/dev/null && echo made; wc -c </proc/keys; echo ready; exec sleep 1000";

/// Processes that were signalled, or that saw their parent end, are given this long to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(3);

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
    mounts: String,
}

impl Lab {
    /// Makes the bundle below the temporary directory. The process must have entered `view`.
    pub fn new(runtime: &Path, view: View) -> Result<Lab, Error> {
        let dir = std::env::temp_dir().join(format!("skiff-faults-{view}-{}", std::process::id()));
        let bundle = dir.join("bundle");
        make_rootfs(&bundle)?;
        write_config(&bundle, &spec(view))?;
        let runtime = fs::canonicalize(runtime).context(|| format!("find {}", runtime.display()))?;
        Ok(Lab { dir, runtime, view, mounts: mountinfo()? })
    }

    /// A name that no other run on this machine uses.
    pub fn id(&self, number: usize) -> String {
        format!("faults-{}-{}-{number}", self.view, std::process::id())
    }

    /// The arguments of `create ID`, global ones first.
    pub fn create_args(&self, id: &str) -> Vec<String> {
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let (bundle, pid_file) = (text(self.dir.join("bundle")), text(self.dir.join("pid")));
        ["create", "--bundle", &bundle, "--pid-file", &pid_file, id].map(str::to_owned).to_vec()
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

    /// What the payload of the last `create` printed, once it has said that it is ready. `start` truncates nothing of
    /// it: create's file has lost its name by then, so the payload's descriptor is read.
    pub fn payload_output(&self, pid: Pid) -> Result<String, Error> {
        let path = format!("/proc/{pid}/fd/1");
        let deadline = Instant::now() + GONE_WITHIN;
        loop {
            let text = fs::read_to_string(&path).context(|| format!("read {path}"))?;
            // The shell has become sleep: the environment differs before.
            if text.ends_with("ready\n") && fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "sleep\n") {
                return Ok(text);
            }
            if Instant::now() > deadline {
                return Err(format!("the payload did not get ready, but printed {text:?}").into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The pid that `create` wrote.
    pub fn pid(&self) -> Result<Pid, Error> {
        let path = self.dir.join("pid");
        let text = fs::read_to_string(&path).context(|| format!("read {}", path.display()))?;
        text.parse().map(Pid::from_raw).context(|| format!("read {text:?} as a pid"))
    }

    /// Makes the next call write to new files: a payload may hold the old ones.
    pub fn fresh_outputs(&self) {
        for name in ["stdout", "stderr"] {
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

/// The default spec with limits, a device that no rule allows, and a payload that looks around.
fn spec(view: View) -> serde_json::Value {
    let mut spec = default_spec();
    set_args(&mut spec, &["/bin/sh", "-c", PAYLOAD]);
    spec["process"]["oomScoreAdj"] = 100.into();
    spec["process"]["user"]["umask"] = 0o27.into();
    // c 1 11 is /dev/kmsg, which no runtime allows by default.
    spec["linux"]["devices"] = serde_json::json!([{"path": "/dev/forbidden", "type": "c", "major": 1, "minor": 11}]);
    if view == View::V1 {
        spec["linux"]["resources"]["memory"] = serde_json::json!({"limit": 64 << 20});
        spec["linux"]["resources"]["pids"] = serde_json::json!({"limit": 100});
        spec["linux"]["resources"]["cpu"] = serde_json::json!({"shares": 512});
    }
    spec
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
