//! What the plan must know of the host. Gathered once by the parent (`skiff_launch::host`), passed in, so that
//! [`crate::resolve`] is pure and needs neither root nor fakes.

use std::path::PathBuf;

/// The host, as far as it shapes a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostFacts {
    /// Effective user id of the runtime.
    pub euid: u32,
    /// The same user outside the runtime's user namespace (the owner of a rootless one); `euid` where nobody asked, see
    /// [`Needs::outer_uid`].
    pub outer_uid: u32,
    /// Capabilities that the runtime may hand on (its bounding set), as a bit mask.
    pub bounding: u64,
    /// Capabilities that the runtime has (its permitted set), as a bit mask.
    pub permitted: u64,
    /// User and group of the runtime, where real, effective, saved and filesystem ids are all the same.
    pub ids: Option<(u32, u32)>,
    /// Supplementary groups of the runtime.
    pub groups: Vec<u32>,
    /// Signals that the caller left ignored, bit n-1 for signal n (`SigIgn` of proc(5)).
    pub ignored_signals: u64,
    /// `SECCOMP_FILTER_FLAG_*` that the kernel has; 0 where nobody asked, see [`crate::Bundle::needs`].
    pub seccomp_flags: u32,
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
        /// `cgroup.controllers` at the mount point; empty where nobody asked, see [`crate::Bundle::needs`].
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

/// What a bundle makes it necessary to know of the host, beyond what is always gathered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// The cgroup controllers: a cgroup is made.
    pub controllers: bool,
    /// What the kernel's seccomp can do: there is a profile.
    pub seccomp: bool,
    /// Whose systemd it is: the systemd driver makes the cgroup. Not the bundle's to know, so whoever gathers the facts adds it.
    pub outer_uid: bool,
}
