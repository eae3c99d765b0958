//! What the command line says about a container, as far as it shapes the plan.

use crate::Settings;

/// Choices of the caller and of the administrator that config.json does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The container's id; names the cgroup where `linux.cgroupsPath` does not.
    pub id: String,
    /// Who makes the cgroup (`--cgroup-manager`, `--systemd-cgroup`).
    pub cgroup_manager: CgroupManager,
    /// `--no-pivot`: the host's root is a ramfs, so `pivot_root` cannot work.
    pub no_pivot: bool,
    /// The program was called by a name that ends in `-wasm`, as podman calls the runtime of wasi/wasm images.
    pub called_wasm: bool,
    /// `/etc/skiff/skiff.toml`.
    pub settings: Settings,
}

/// Who makes the container's cgroup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CgroupManager {
    /// The runtime, by mkdir and writes.
    Cgroupfs,
    /// systemd, asked over D-Bus for a transient unit.
    Systemd,
    /// Nobody: the container stays in the caller's cgroup.
    Disabled,
}
