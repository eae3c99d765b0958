//! What the plan must know of the host. Gathered once by the parent (`skiff_launch::host`), passed in, so that
//! [`crate::resolve`] is pure and needs neither root nor fakes.

use std::path::PathBuf;

/// The host, as far as it shapes a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostFacts {
    /// Effective user id of the runtime.
    pub euid: u32,
    /// Capabilities that the runtime may hand on (its bounding set), as a bit mask.
    pub bounding: u64,
    /// Capabilities that the runtime has (its permitted set), as a bit mask.
    pub permitted: u64,
    /// Signals that the caller left ignored, bit n-1 for signal n (`SigIgn` of proc(5)).
    pub ignored_signals: u64,
    /// The control groups.
    pub cgroup: CgroupFacts,
}

/// The cgroup hierarchies of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CgroupFacts {
    /// No cgroup filesystem at `/sys/fs/cgroup`.
    None,
    /// Unified.
    V2 {
        /// Mount point.
        mount: PathBuf,
        /// `cgroup.controllers` at the mount point.
        controllers: Vec<String>,
        /// The runtime's own cgroup, relative to the mount point, without a leading slash.
        own: PathBuf,
    },
    /// Version 1, or hybrid.
    V1(Vec<Hierarchy>),
}

/// One mounted hierarchy of a version 1 or hybrid host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// Mount point, as `/sys/fs/cgroup/memory`.
    pub mount: PathBuf,
    /// `memory`, `cpu,cpuacct`, `name=systemd`; empty for the hybrid cgroup2 tree.
    pub controllers: String,
    /// The runtime's own cgroup, relative to the mount point, without a leading slash.
    pub own: PathBuf,
}
