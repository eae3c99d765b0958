//! Where a test finds its cgroups.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The cgroup hierarchies that the runtime sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Whatever the host has at `/sys/fs/cgroup`.
    Host,
    /// A cgroup2 mount of our own at `/sys/fs/cgroup`, in a mount namespace of our own.
    V2,
}

/// Slave and not private, so that the propagation of the host's mounts can still be seen from inside.
const V2_WRAPPER: [&str; 7] =
    ["unshare", "-m", "--propagation", "slave", "sh", "-c", "mount -t cgroup2 none /sys/fs/cgroup && exec \"$@\""];

impl Mode {
    /// Why the mode cannot be had here; `None` if it can.
    pub fn missing(self) -> Option<String> {
        if !nix::unistd::geteuid().is_root() {
            return Some("needs root".to_string());
        }
        match self {
            Mode::Host if !Path::new("/sys/fs/cgroup").exists() => Some("the host has no /sys/fs/cgroup".to_string()),
            Mode::V2 if !v2_can_be_mounted() => Some("cgroup2 cannot be mounted here".to_string()),
            _ => None,
        }
    }

    /// A command that runs `program` so that it sees the mode's cgroups. The process that is started ends up as `program`.
    pub fn command(self, program: &Path) -> Command {
        match self {
            Mode::Host => Command::new(program),
            Mode::V2 => {
                let mut command = Command::new(V2_WRAPPER[0]);
                command.args(&V2_WRAPPER[1..]).arg("sh").arg(program);
                command
            }
        }
    }

    /// True if the mode's cgroups are version 2.
    pub fn is_v2(self) -> bool {
        self == Mode::V2 || Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
    }

    /// Why a limit of `controller` cannot be tried here; `None` if it can.
    pub fn missing_controller(self, controller: &str) -> Option<String> {
        if self.is_v2() {
            let there = self.v2_controllers().iter().any(|name| name == controller);
            return (!there).then(|| format!("no {controller} controller in the cgroup v2 hierarchy"));
        }
        let there = Path::new("/sys/fs/cgroup").join(controller).exists();
        (!there).then(|| format!("no {controller} hierarchy"))
    }

    /// The controllers at the root of the version 2 hierarchy.
    pub fn v2_controllers(self) -> Vec<String> {
        let out = self.command(Path::new("cat")).arg("/sys/fs/cgroup/cgroup.controllers").output().expect("run cat");
        String::from_utf8_lossy(&out.stdout).split_whitespace().map(str::to_string).collect()
    }
}

fn v2_can_be_mounted() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        let status = Mode::V2.command(Path::new("true")).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    })
}
