//! The plan: every decision of a container as plain data, made by the parent before the clone. init reads the
//! same memory through copy-on-write and only executes it. Nothing here is optional in the sense of "undecided":
//! an `Option` means that the step is not wanted.

use crate::{ExecBase, Hooks, Seccomp, WasmPlan};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::CString;
use std::path::PathBuf;

/// A container, decided. Made by [`crate::resolve`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// `ociVersion` as the bundle says it.
    pub oci_version: String,
    /// The bundle directory, absolute.
    pub bundle: PathBuf,
    /// The root filesystem on the host, absolute and without symbolic links.
    pub rootfs: PathBuf,
    /// `annotations`, unchanged.
    pub annotations: BTreeMap<String, String>,
    /// Which namespaces it has.
    pub namespaces: Namespaces,
    /// What init does, in order, from the new namespaces to the entered root.
    pub init_ops: Vec<InitOp>,
    /// The process that the handler starts.
    pub process: Process,
    /// What later processes start from.
    pub exec_base: ExecBase,
    /// Programs to run at fixed moments.
    pub hooks: Hooks,
    /// Where the container is accounted and what it may use.
    pub cgroup: CgroupPlan,
    /// Who runs the process.
    pub handler: HandlerKind,
    /// How it runs if it is a WebAssembly module; `None` with [`HandlerKind::Native`] only.
    pub wasm: Option<WasmPlan>,
    /// What was ignored though asked for (an unknown capability, say): for the log, never for stderr.
    pub warnings: Vec<String>,
}

/// The namespaces of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Namespaces {
    /// `CLONE_NEW*` flags of those that it gets for itself.
    pub new: u64,
    /// Those that it shares with something else, the user namespace first.
    pub join: Vec<JoinNamespace>,
    /// Ids of a new user namespace; empty without one.
    pub maps: IdMaps,
    /// Lines for `/proc/PID/timens_offsets` of a new time namespace, time_namespaces(7).
    pub time_offsets: Vec<String>,
}

impl Namespaces {
    /// Every kind that is not the runtime's own, as `CLONE_NEW*` flags.
    #[must_use]
    pub fn own(&self) -> u64 {
        self.join.iter().fold(self.new, |flags, join| flags | join.flag)
    }

    /// `CLONE_NEWUSER` is among the new ones.
    #[must_use]
    pub fn new_user(&self) -> bool {
        self.new & libc::CLONE_NEWUSER as u64 != 0
    }

    /// The user namespace is one that exists.
    #[must_use]
    pub fn joins_user(&self) -> bool {
        self.join.iter().any(|join| join.flag == libc::CLONE_NEWUSER as u64)
    }
}

/// A namespace that exists, to be entered by setns(2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinNamespace {
    /// Its place in config.json (`linux.namespaces[index].path`), for error messages.
    pub index: usize,
    /// Its `CLONE_NEW*` flag.
    pub flag: u64,
    /// Its file on the host, absolute.
    pub path: PathBuf,
}

/// Id maps of a user namespace, user_namespaces(7).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdMaps {
    /// User ids.
    pub uids: Vec<IdMap>,
    /// Group ids.
    pub gids: Vec<IdMap>,
}

/// One line of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdMap {
    /// First id inside.
    pub container: u32,
    /// First id outside.
    pub host: u32,
    /// How many.
    pub size: u32,
}

/// The terminal of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terminal {
    /// `consoleSize`, rows and columns; `None` leaves it 0 by 0 for the client to set.
    pub size: Option<(u16, u16)>,
}

/// Who runs the container's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandlerKind {
    /// `execve`.
    Native,
    /// The WebAssembly engine.
    Wasm,
    /// Only init can tell, after the mounts, by the file's first bytes.
    Maybe,
}

/// One step of init. The list's order is the container's set-up order (docs/architecture.md, "The launch").
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InitOp {
    /// Bring `lo` up: the container has a new network namespace.
    LoopbackUp,
    /// Set the propagation (`MS_*` with `MS_REC`) of every mount of the new mount namespace.
    Propagation(u64),
    /// Attach the root filesystem at its own path, so that it becomes a mount of ours.
    AttachRoot {
        /// [`Plan::rootfs`].
        path: PathBuf,
        /// The mount below it must become private first: the root's propagation is shared.
        private_parent: bool,
    },
    /// One mount below the root.
    Mount(Mount),
    /// One device node, FIFO included.
    Device(DeviceNode),
    /// A symbolic link below the root, as in `/dev/fd`.
    Symlink {
        /// What the link says.
        target: CString,
        /// Where it lies, absolute in the container.
        path: PathBuf,
        /// Leave whatever is at `path` alone, instead of replacing a link that says something else.
        keep_existing: bool,
    },
    /// Make `process.cwd` where it is missing, as runc does.
    WorkingDirectory(PathBuf),
    /// Everything is mounted and the host's root is still there: prestart and createRuntime hooks, then the createContainer
    /// hooks.
    Hooks,
    /// Make the process' terminal, and bind it on `/dev/console`.
    Console,
    /// Turn a mount read-only that had to stay writable until here (tmpfs and `/dev` with `ro`).
    ReadonlyMount(PathBuf),
    /// Bind the path onto itself, read-only; absent paths are skipped.
    ReadonlyPath(PathBuf),
    /// Hide the path: a file behind `/dev/null`, a directory behind an empty read-only tmpfs; absent paths are skipped.
    MaskPath(PathBuf),
    /// Turn the root mount read-only.
    ReadonlyRoot,
    /// Make the root filesystem `/` and let go of the host's.
    EnterRoot {
        /// `MS_MOVE` and chroot instead of `pivot_root` (`--no-pivot`: the host's root is a ramfs).
        no_pivot: bool,
        /// Propagation (`MS_*` with `MS_REC`) that the new root gets; `None` leaves it.
        propagation: Option<u64>,
    },
    /// Write a kernel parameter through a private procfs.
    Sysctl {
        /// Path below `/proc/sys`, with slashes.
        key: PathBuf,
        /// What to write.
        value: CString,
    },
    /// `sethostname`.
    Hostname(CString),
    /// `setdomainname`.
    Domainname(CString),
}

/// One mount. Attributes are `MOUNT_ATTR_*` of mount_setattr(2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Its place in config.json (`mounts[index]`), for error messages.
    pub index: usize,
    /// Where, absolute in the container.
    pub destination: PathBuf,
    /// The destination may not be a symbolic link nor lie behind one (proc, sysfs, `/dev`: CVE-2019-19921, CVE-2026-41579).
    pub no_symlinks: bool,
    /// What is mounted.
    pub kind: MountKind,
    /// Attributes of the mount itself.
    pub attr: AttrChange,
    /// Attributes of the whole tree (`rro`, `rnosuid`, ...).
    pub recursive_attr: AttrChange,
    /// Propagation changes in the order asked for: `MS_SHARED`, `MS_SLAVE`, `MS_PRIVATE`, `MS_UNBINDABLE`, each perhaps with
    /// `MS_REC`.
    pub propagation: Vec<u64>,
}

/// Mount attributes to set and to clear.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AttrChange {
    /// `MOUNT_ATTR_*` bits to set.
    pub set: u64,
    /// `MOUNT_ATTR_*` bits to clear.
    pub clear: u64,
}

/// What a [`Mount`] mounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountKind {
    /// A file or tree of the host.
    Bind {
        /// Absolute on the host.
        source: PathBuf,
        /// With the mounts below it (`rbind`).
        recursive: bool,
    },
    /// A new filesystem.
    New(NewFilesystem),
    /// Change the attributes of what is mounted at the destination already (`remount`).
    Remount,
}

/// A filesystem instance to make with fsopen(2), or with mount(2) where an option is too long for fsconfig(2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFilesystem {
    /// `tmpfs`, `proc`, ...
    pub fstype: CString,
    /// As it shows in mountinfo.
    pub source: CString,
    /// Superblock flags by their fsconfig(2) name: `ro`, `sync`, `dirsync`, `lazytime`, `mand`, ...
    pub flags: Vec<&'static str>,
    /// The filesystem's own options: `size=64m`, `gid=5`, a bare `nr_inodes`, ...
    pub options: Vec<String>,
    /// First copy what lies at the destination into the new tmpfs (`tmpcopyup`).
    pub copy_up: bool,
}

/// A device node to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceNode {
    /// Absolute in the container.
    pub path: PathBuf,
    /// `S_IFCHR`, `S_IFBLK` or `S_IFIFO`.
    pub file_type: u32,
    /// Major number; 0 for a FIFO.
    pub major: u32,
    /// Minor number; 0 for a FIFO.
    pub minor: u32,
    /// Permission bits.
    pub mode: u32,
    /// Owner in the container.
    pub uid: u32,
    /// Group in the container.
    pub gid: u32,
}

/// A process of the container: what `create` starts, and what `exec` will.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// `args`; never empty.
    pub args: Vec<CString>,
    /// `env`; a `HOME` is added at the end by init when none is there.
    pub env: Vec<CString>,
    /// `cwd`, absolute in the container.
    pub cwd: PathBuf,
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// File mode creation mask.
    pub umask: u32,
    /// Resource limits, set by the parent between Ready and Committed.
    pub rlimits: Vec<Rlimit>,
    /// Capability sets.
    pub capabilities: Capabilities,
    /// Set `no_new_privs`.
    pub no_new_privileges: bool,
    /// Written by the parent; `None` leaves the inherited value.
    pub oom_score_adj: Option<i32>,
    /// It gets a terminal of its own as stdin, stdout and stderr.
    pub terminal: Option<Terminal>,
    /// For personality(2).
    pub personality: Option<u32>,
    /// What its system calls do.
    pub seccomp: Option<Seccomp>,
}

/// One resource limit, in the units of setrlimit(2); `u64::MAX` is `RLIM_INFINITY`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rlimit {
    /// `RLIMIT_*`, as in config.json, for messages.
    pub name: &'static str,
    /// Its number.
    pub resource: u32,
    /// Soft limit.
    pub soft: u64,
    /// Hard limit.
    pub hard: u64,
}

/// Capability sets as bit masks (bit n is capability n).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Bounding set.
    pub bounding: u64,
    /// Effective set.
    pub effective: u64,
    /// Permitted set.
    pub permitted: u64,
    /// Inheritable set.
    pub inheritable: u64,
    /// Ambient set; within permitted and inheritable.
    pub ambient: u64,
}

/// Where the container's processes are accounted, and what is written there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CgroupPlan {
    /// The directories.
    pub layout: CgroupLayout,
    /// `linux.cgroupsPath` asks for these; else they are the runtime's own choice.
    pub named: bool,
    /// Values to write, in order.
    pub writes: Vec<CgroupWrite>,
    /// The complete device rules, defaults included, the last match wins; `None`: no filter (a user namespace, or no cgroup).
    pub devices: Option<Vec<DeviceRule>>,
    /// The unit that systemd makes the cgroup for; `None`: the runtime makes the directories itself.
    pub unit: Option<SystemdUnit>,
    /// Host user id that gets the cgroup for itself (runtime-spec, config-linux.md, "Cgroup ownership"); `None`: nobody but root.
    pub owner: Option<u32>,
    /// `linux.resources` as text, without the devices: what a later update starts from. Empty: nothing was asked for.
    pub base: String,
}

impl CgroupPlan {
    /// The directories and nothing else: no limit, no filter.
    #[must_use]
    pub fn bare(layout: CgroupLayout) -> CgroupPlan {
        CgroupPlan { layout, named: false, writes: Vec::new(), devices: None, unit: None, owner: None, base: String::new() }
    }
}

/// A transient unit of systemd (org.freedesktop.systemd1(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemdUnit {
    /// With its suffix: `.scope`, or `.slice` for a container that is a slice of its own.
    pub name: String,
    /// The slice that a scope lies in, as `system.slice`, or `-.slice` for the root. A slice's own name says where it lies.
    pub slice: String,
    /// The user's manager instead of the system's.
    pub user: bool,
    /// Every property but Slice and PIDs, in order, no name twice but where a list is emptied before it is filled.
    pub properties: Vec<UnitProperty>,
}

/// A property of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitProperty {
    /// As systemd's D-Bus interface names it, as `MemoryMax`.
    pub name: String,
    /// Its value.
    pub value: Variant,
    /// The version of systemd that has it for a scope; 0: all that matter (244 and newer, since skiff needs Linux 5.12).
    /// An older one must not be sent it, the cgroup's files hold the same.
    pub since: u32,
}

/// Who keeps the cgroup of a container that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    /// Nobody but the runtime.
    Cgroupfs,
    /// systemd, in a unit.
    Systemd {
        /// [`SystemdUnit::user`]
        user: bool,
    },
}

/// A value of D-Bus (D-Bus Specification, "Type System"), as far as properties of units are made of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Variant {
    /// `b`
    Bool(bool),
    /// `y`
    Byte(u8),
    /// `n`
    I16(i16),
    /// `q`
    U16(u16),
    /// `i`
    I32(i32),
    /// `u`
    U32(u32),
    /// `x`
    I64(i64),
    /// `t`
    U64(u64),
    /// `d`, as the bits of an IEEE 754 number, so that plans can be compared.
    Double(u64),
    /// `s`
    Text(String),
    /// `a`: the signature of an element, which an empty array could not tell, and the elements.
    Array(String, Vec<Variant>),
    /// `(...)`
    Struct(Vec<Variant>),
}

/// What an update changes of a cgroup, decided by [`crate::update`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CgroupUpdate {
    /// Values to write, in order.
    pub writes: Vec<CgroupWrite>,
    /// The complete device rules, if they change.
    pub devices: Option<Vec<DeviceRule>>,
    /// Properties of the unit to set, if systemd knows the container.
    pub properties: Vec<UnitProperty>,
    /// Refuse the update when this much memory is in use already (`memory.checkBeforeUpdate`).
    pub memory_check: Option<MemoryCheck>,
    /// What the next update starts from, as [`CgroupPlan::base`].
    pub base: String,
}

/// Limits that may not lie at or below what is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryCheck {
    /// New limit of memory, bytes; `u64::MAX` for none.
    pub limit: u64,
    /// New limit of memory and swap together, bytes; `None`: unlimited or not known.
    pub total: Option<u64>,
}

/// The cgroup directories of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CgroupLayout {
    /// `--cgroup-manager=disabled`: the container stays where the runtime was called.
    Disabled,
    /// One directory in the unified hierarchy.
    V2 {
        /// Mount point of cgroup2.
        mount: PathBuf,
        /// Path below it, relative, without `..`.
        path: PathBuf,
        /// Controllers to enable on the way down, which is what makes the container measurable; a failure counts only for those
        /// that a write needs.
        controllers: Vec<String>,
    },
    /// One directory in each version 1 hierarchy (and in the hybrid `unified` one, as the last).
    V1(Vec<V1Dir>),
}

/// The container's directory in one version 1 (or hybrid) hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct V1Dir {
    /// Mount point of the hierarchy.
    pub mount: PathBuf,
    /// `memory`, `cpu,cpuacct`, `name=systemd`; empty for the hybrid cgroup2 tree.
    pub controllers: String,
    /// Path below the mount point, relative, without `..`.
    pub path: PathBuf,
}

/// One value to write into one file of the container's cgroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CgroupWrite {
    /// Which controller owns the file: on version 1 it picks the directory. `cgroup` on version 2 for a file that every
    /// cgroup has.
    pub controller: Cow<'static, str>,
    /// File name, as `memory.max`.
    pub file: String,
    /// What to write.
    pub value: String,
    /// The field of config.json that asked for it, for error messages.
    pub field: &'static str,
    /// File and value instead, where `file` is missing (`io.weight` of a kernel without the BFQ scheduler).
    pub fallback: Option<(String, String)>,
    /// A missing file is no error (`memory.swap.max` of a kernel without swap accounting, when nothing is limited).
    pub optional: bool,
}

/// One device rule of `linux.resources.devices`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceRule {
    /// Allow or deny.
    pub allow: bool,
    /// Which kind of device.
    pub kind: DeviceKind,
    /// Major number; `None` is any.
    pub major: Option<u32>,
    /// Minor number; `None` is any.
    pub minor: Option<u32>,
    /// `r`.
    pub read: bool,
    /// `w`.
    pub write: bool,
    /// `m`.
    pub mknod: bool,
}

/// The kind of device that a [`DeviceRule`] speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKind {
    /// Character and block devices.
    All,
    /// Character devices.
    Char,
    /// Block devices.
    Block,
}
