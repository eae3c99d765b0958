//! One test's bundle, its calls, and the clearing up.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::mountinfo::{MountLine, parse};
use super::runtime::{Out, Running, binary, default_spec};
use super::{Mode, leaks, skipped, wait_until};

/// What a root filesystem of the tests has in /bin.
const APPLETS: &str = "sh cat ls id env stat sleep true false kill mount umount mknod dd hostname readlink test head wc tr grep \
                       chmod chown touch mkdir rm rmdir df date tty sort seq timeout ps od awk sed ip ifconfig xargs uname cut \
                       printenv mkfifo ln pwd echo nproc find";

/// One bundle and one private state root, below one directory whose name (`needle`) is in everything that is made.
pub struct Test {
    pub mode: Mode,
    /// The id that the short calls use; equal to the name of the directory.
    pub id: String,
    /// config.json; written before each call.
    pub spec: Value,
    /// False leaves config.json alone, for the tests that write a broken one.
    pub write_spec: bool,
    name: String,
    dir: PathBuf,
    calls: Cell<u32>,
}

impl Test {
    pub fn new(name: &str, mode: Mode) -> Test {
        become_subreaper();
        let id = unique_name();
        let dir = std::env::temp_dir().join(&id);
        for part in ["bundle/rootfs", "calls"] {
            fs::DirBuilder::new().recursive(true).mode(0o755).create(dir.join(part)).expect("make the test's directory");
        }
        fill_rootfs(&dir.join("bundle/rootfs"));
        let mut spec = default_spec(&dir.join("bundle"));
        spec["process"]["terminal"] = json!(false);
        spec["process"]["args"] = json!(["/bin/true"]);
        Test { mode, id, spec, write_spec: true, name: name.to_string(), dir, calls: Cell::new(0) }
    }

    /// A directory that is on the host and not in the bundle.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn bundle(&self) -> PathBuf {
        self.dir.join("bundle")
    }

    pub fn rootfs(&self) -> PathBuf {
        self.dir.join("bundle/rootfs")
    }

    /// The value of `--root`.
    pub fn root(&self) -> PathBuf {
        self.dir.join("root")
    }

    pub fn skip(&self, reason: &str) {
        skipped(&self.name, reason);
    }

    // The bundle.

    /// Sets `process.args`.
    pub fn args(&mut self, args: &[&str]) -> &mut Test {
        self.spec["process"]["args"] = json!(args);
        self
    }

    /// Sets `process.args` to a shell script.
    pub fn sh(&mut self, script: &str) -> &mut Test {
        self.args(&["/bin/sh", "-c", script])
    }

    /// Appends to `mounts`.
    pub fn mount(&mut self, destination: &str, fstype: &str, source: &str, options: &[&str]) -> &mut Test {
        let mount = json!({"destination": destination, "type": fstype, "source": source, "options": options});
        self.spec["mounts"].as_array_mut().expect("mounts").push(mount);
        self
    }

    /// Replaces the mount at `destination`, or appends one.
    pub fn remount(&mut self, destination: &str, fstype: &str, source: &str, options: &[&str]) -> &mut Test {
        self.spec["mounts"].as_array_mut().expect("mounts").retain(|mount| mount["destination"] != destination);
        self.mount(destination, fstype, source, options)
    }

    /// Appends a bind of a host path.
    pub fn bind(&mut self, source: &Path, destination: &str, options: &[&str]) -> &mut Test {
        self.mount(destination, "bind", source.to_str().expect("utf-8"), options)
    }

    /// Makes the root filesystem writable.
    pub fn writable(&mut self) -> &mut Test {
        self.spec["root"]["readonly"] = json!(false);
        self
    }

    /// Gives the process `capabilities` in the bounding, effective and permitted set.
    pub fn capabilities(&mut self, names: &[&str]) -> &mut Test {
        self.spec["process"]["capabilities"] = json!({"bounding": names, "effective": names, "permitted": names});
        self
    }

    /// Leaves a namespace out: the container stays in the host's.
    pub fn without_namespace(&mut self, kind: &str) -> &mut Test {
        let namespaces = self.spec["linux"]["namespaces"].as_array_mut().expect("namespaces");
        namespaces.retain(|namespace| namespace["type"] != kind);
        self
    }

    /// Adds a new namespace.
    pub fn with_namespace(&mut self, kind: &str) -> &mut Test {
        self.spec["linux"]["namespaces"].as_array_mut().expect("namespaces").push(json!({"type": kind}));
        self
    }

    /// Writes a file below the root filesystem.
    pub fn file(&self, path: &str, content: &str, mode: u32) -> PathBuf {
        let path = self.rootfs().join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().expect("parent")).expect("make a directory");
        fs::write(&path, content).expect("write a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("chmod");
        path
    }

    // Calls.

    /// The runtime with the private state root, called from the bundle.
    pub fn command(&self, args: &[&str]) -> Command {
        if self.write_spec {
            let text = serde_json::to_vec_pretty(&self.spec).expect("config.json");
            fs::write(self.bundle().join("config.json"), text).expect("write config.json");
        }
        let mut command = self.mode.command(&binary());
        command.arg("--root").arg(self.root()).args(args);
        command.current_dir(self.bundle()).stdin(Stdio::null());
        command
    }

    /// Starts `command` and does not wait.
    pub fn spawn(&self, command: Command) -> Running {
        self.calls.set(self.calls.get() + 1);
        Running::start(command, &self.dir.join(format!("calls/{}", self.calls.get())))
    }

    /// Runs `command` to its end.
    #[track_caller]
    pub fn finish_command(&self, command: Command) -> Out {
        self.spawn(command).wait()
    }

    /// Calls the runtime.
    #[track_caller]
    pub fn call(&self, args: &[&str]) -> Out {
        self.finish_command(self.command(args))
    }

    /// Calls the runtime with more open descriptors, in the shell's words: `7</etc/passwd`.
    #[track_caller]
    pub fn with_descriptors(&self, redirections: &str, args: &[&str]) -> Out {
        let inner = self.command(args);
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("exec \"$@\" {redirections}")).arg("sh");
        command.arg(inner.get_program()).args(inner.get_args());
        command.current_dir(self.bundle()).stdin(Stdio::null());
        self.finish_command(command)
    }

    /// `run ID` in the foreground.
    #[track_caller]
    pub fn run(&self) -> Out {
        self.call(&["run", &self.id])
    }

    /// `run ID` in the foreground with a shell script that must succeed; returns its output.
    #[track_caller]
    pub fn run_sh(&mut self, script: &str) -> String {
        self.sh(script);
        self.run().ok().to_string()
    }

    /// `create ID`, which must succeed.
    #[track_caller]
    pub fn create(&self) -> Out {
        let out = self.call(&["create", &self.id]);
        out.ok();
        out
    }

    #[track_caller]
    pub fn start(&self) {
        self.call(&["start", &self.id]).ok();
    }

    /// Creates and starts a container that sleeps for ever, and waits until it does.
    #[track_caller]
    pub fn running(&mut self) {
        self.running_with(&[]);
    }

    /// The same with global options.
    #[track_caller]
    pub fn running_with(&mut self, global: &[&str]) {
        self.args(&["/bin/sleep", "1000000"]);
        for verb in ["create", "start"] {
            self.call(&[global, &[verb, &self.id]].concat()).ok();
        }
        // start returns when the container may go on, which is not when it has.
        let cmdline = format!("/proc/{}/cmdline", self.pid());
        wait_until("the container's own program", || {
            fs::read_to_string(&cmdline).is_ok_and(|line| line.starts_with("/bin/sleep"))
        });
    }

    #[track_caller]
    pub fn kill(&self, signal: &str) {
        self.call(&["kill", &self.id, signal]).ok();
    }

    /// `state ID`, parsed.
    #[track_caller]
    pub fn state(&self) -> Value {
        serde_json::from_str(self.call(&["state", &self.id]).ok()).expect("state is JSON")
    }

    #[track_caller]
    pub fn status(&self) -> String {
        self.state()["status"].as_str().expect("status").to_string()
    }

    #[track_caller]
    pub fn pid(&self) -> i32 {
        i32::try_from(self.state()["pid"].as_i64().expect("pid")).expect("pid")
    }

    #[track_caller]
    pub fn wait_status(&self, status: &str) {
        wait_until(&format!("status {status}"), || self.status() == status);
    }

    /// mountinfo as the container's own process sees it.
    #[track_caller]
    pub fn mounts_inside(&mut self) -> Vec<MountLine> {
        self.args(&["/bin/cat", "/proc/self/mountinfo"]);
        parse(self.run().ok())
    }

    // The end.

    /// The directories of the test's containers in every cgroup hierarchy.
    pub fn cgroups(&self) -> Vec<PathBuf> {
        leaks::cgroups(&self.id, self.mode)
    }

    /// Removes empty cgroups that a test made on purpose.
    pub fn remove_cgroups(&self) {
        for dir in self.cgroups().into_iter().rev() {
            let _ = fs::remove_dir(dir);
        }
    }

    /// Panics if a container, or a part of one, is left.
    #[track_caller]
    pub fn assert_nothing_left(&self) {
        self.reap();
        let left = leaks::find(&self.id, &self.root(), self.mode);
        assert!(left.is_empty(), "{} left behind: {left:#?}", self.name);
    }

    /// Ids in the state root.
    fn ids(&self) -> Vec<String> {
        let entries = fs::read_dir(self.root()).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }

    /// Deletes what still runs, by the runtime itself, and looks whether anything is left then.
    #[track_caller]
    pub fn finish(self) {
        for id in self.ids() {
            self.call(&["delete", "--force", &id]).ok();
        }
        self.assert_nothing_left();
    }

    /// Takes the exit status of orphans that came to us.
    pub fn reap(&self) {
        for (pid, _) in leaks::processes(&self.id) {
            let _ = waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG));
        }
    }
}

impl Drop for Test {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for id in self.ids() {
                let _ = self.spawn(self.command(&["delete", "--force", &id])).wait();
            }
        }
        leaks::clear(&self.id, self.mode);
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// A filesystem mounted on the host for a test; gone when dropped.
pub struct HostMount(PathBuf);

impl HostMount {
    /// A tmpfs at `path`, which is made; `propagation` is applied to it.
    pub fn tmpfs(path: &Path, propagation: MsFlags) -> HostMount {
        fs::create_dir_all(path).expect("make the mount point");
        mount(Some("tmpfs"), path, Some("tmpfs"), MsFlags::empty(), None::<&str>).expect("mount a tmpfs");
        mount(None::<&str>, path, None::<&str>, propagation, None::<&str>).expect("set the propagation");
        HostMount(path.to_path_buf())
    }
}

impl Drop for HostMount {
    fn drop(&mut self) {
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
    }
}

/// A name that no other test has, and that is no part of another's.
fn unique_name() -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    format!("skiff-t-{}-{}x", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed))
}

/// Like conmon and containerd's shim, we want to be the parent of what a finished runtime leaves running.
fn become_subreaper() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| nix::sys::prctl::set_child_subreaper(true).expect("become a subreaper"));
}

/// Copies a program that will be executed. Another process does it: a descriptor open for writing here would be
/// inherited by what another test forks at that moment, and execve(2) would fail with ETXTBSY.
pub fn copy_program(from: &Path, to: &Path) {
    let done = Command::new("cp").arg(from).arg(to).status().expect("run cp");
    assert!(done.success(), "copy {} (package busybox-static has /bin/busybox)", from.display());
}

/// Busybox with its applets as hard links. The binary is a copy: a container must not be able to write to the host's.
fn fill_rootfs(rootfs: &Path) {
    for dir in ["bin", "dev", "etc", "home/user", "proc", "root", "sys", "tmp"] {
        fs::create_dir_all(rootfs.join(dir)).expect("make a directory of the root filesystem");
    }
    let busybox = rootfs.join("bin/busybox");
    copy_program(Path::new("/bin/busybox"), &busybox);
    for applet in APPLETS.split_whitespace() {
        fs::hard_link(&busybox, rootfs.join("bin").join(applet)).expect("link an applet");
    }
    let passwd = "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n";
    fs::write(rootfs.join("etc/passwd"), passwd).expect("write passwd");
    fs::write(rootfs.join("etc/group"), "root:x:0:\nuser:x:1000:\n").expect("write group");
}
