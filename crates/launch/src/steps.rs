//! The steps of init by number, and how a failed one reads. init sends number, errno and an argument; the parent has
//! the same plan and makes the sentence.

use nix::errno::Errno;
use skiff_plan::{InitOp, Mount, MountKind};
use skiff_sys::errno_text;
use std::fmt;

/// Why a step failed. Made in init, read in the parent.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    /// What the kernel said.
    pub errno: Errno,
    /// What it said it of, where the step alone does not tell; may be empty.
    pub argument: String,
}

impl Fault {
    /// `argument` says it all where the errno does not: some 500 bytes of it reach the client.
    pub fn new(errno: Errno, argument: impl Into<String>) -> Self {
        Self { errno, argument: argument.into() }
    }
}

impl From<Errno> for Fault {
    fn from(errno: Errno) -> Self {
        Self::new(errno, "")
    }
}

/// Names what an errno is about.
pub(crate) trait About<T> {
    fn about(self, argument: impl fmt::Display) -> Result<T, Fault>;
}

impl<T> About<T> for nix::Result<T> {
    fn about(self, argument: impl fmt::Display) -> Result<T, Fault> {
        self.map_err(|errno| Fault::new(errno, argument.to_string()))
    }
}

/// A step of init: one of the plan's list, or one of those that every process goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Index into `Plan::init_ops`.
    Op(usize),
    /// See [`ProcessStep`].
    Process(ProcessStep),
}

/// The steps outside the plan's list, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum ProcessStep {
    Begin = FIRST_PROCESS_STEP,
    Placed,
    Join,
    Clone,
    MappedRoot,
    LateNamespaces,
    Session,
    Keyring,
    Terminal,
    StdioOwner,
    CloseDescriptors,
    Signals,
    Personality,
    WorkingDirectory,
    Seccomp,
    BoundingSet,
    Groups,
    Ids,
    Capabilities,
    AmbientSet,
    NoNewPrivileges,
    CwdInside,
    Command,
    Limits,
}

const FIRST_PROCESS_STEP: u16 = 0xff00;

const PROCESS_STEPS: [(ProcessStep, &str); 24] = [
    (ProcessStep::Begin, "begin init"),
    (ProcessStep::Placed, "wait for the cgroup"),
    (ProcessStep::Join, "join namespaces"),
    (ProcessStep::Clone, "clone inside the joined namespaces"),
    (ProcessStep::MappedRoot, "become root of the user namespace"),
    (ProcessStep::LateNamespaces, "unshare namespaces"),
    (ProcessStep::Session, "start a session"),
    (ProcessStep::Keyring, "join a session keyring"),
    (ProcessStep::Terminal, "process.terminal"),
    (ProcessStep::StdioOwner, "give stdin, stdout and stderr to process.user"),
    (ProcessStep::CloseDescriptors, "close descriptors"),
    (ProcessStep::Signals, "reset signals"),
    (ProcessStep::Personality, "set linux.personality"),
    (ProcessStep::WorkingDirectory, "change to process.cwd"),
    (ProcessStep::Seccomp, "load linux.seccomp"),
    (ProcessStep::BoundingSet, "drop from the bounding set"),
    (ProcessStep::Groups, "set process.user.additionalGids"),
    (ProcessStep::Ids, "become process.user"),
    (ProcessStep::Capabilities, "set process.capabilities"),
    (ProcessStep::AmbientSet, "set process.capabilities.ambient"),
    (ProcessStep::NoNewPrivileges, "set process.noNewPrivileges"),
    (ProcessStep::CwdInside, "check process.cwd"),
    (ProcessStep::Command, "exec"),
    (ProcessStep::Limits, "set process.rlimits"),
];

impl Step {
    /// The number that crosses the socket.
    pub(crate) fn number(self) -> u16 {
        match self {
            Self::Op(index) => index as u16,
            Self::Process(step) => step as u16,
        }
    }
}

/// The sentence for a failed step.
pub(crate) fn sentence(ops: &[InitOp], step: u16, fault: &Fault) -> String {
    let why = errno_text(fault.errno);
    if step == ProcessStep::Command as u16 || matches!(ops.get(usize::from(step)), Some(InitOp::Hooks)) {
        // These sentences are complete (`exec: "x": executable file not found in $PATH`).
        return fault.argument.clone();
    }
    let act = match ops.get(usize::from(step)) {
        Some(op) => format!("config.json: {}", describe(op)),
        None => PROCESS_STEPS.iter().find(|(known, _)| *known as u16 == step).map_or("init", |(_, act)| act).to_owned(),
    };
    match (fault.argument.as_str(), fault.errno) {
        ("", _) => format!("{act}: {why}"),
        // An argument that explains everything comes without an errno.
        (argument, Errno::UnknownErrno) => format!("{act}: {argument}"),
        (argument, _) => format!("{act}: {argument}: {why}"),
    }
}

fn describe(op: &InitOp) -> String {
    match op {
        InitOp::LoopbackUp => "bring up lo".into(),
        InitOp::Propagation(_) => "linux.rootfsPropagation: set that of /".into(),
        InitOp::AttachRoot { path, .. } => format!("root.path: attach {}", path.display()),
        InitOp::Mount(mount) => describe_mount(mount),
        InitOp::Device(device) => format!("linux.devices: make {}", device.path.display()),
        InitOp::Symlink { target, path, .. } => format!("link {} to {}", path.display(), target.to_string_lossy()),
        InitOp::WorkingDirectory(path) => format!("process.cwd: make {}", path.display()),
        InitOp::Hooks => "hooks".into(),
        InitOp::Console => "process.terminal".into(),
        InitOp::ReadonlyMount(path) => format!("make {} read-only", path.display()),
        InitOp::ReadonlyPath(path) => format!("linux.readonlyPaths: {}", path.display()),
        InitOp::MaskPath(path) => format!("linux.maskedPaths: {}", path.display()),
        InitOp::ReadonlyRoot => "root.readonly: make the root read-only".into(),
        InitOp::EnterRoot { .. } => "enter the root".into(),
        InitOp::Sysctl { key, .. } => format!("linux.sysctl: {}", key.display()),
        InitOp::Hostname(name) => format!("hostname: set {}", name.to_string_lossy()),
        InitOp::Domainname(name) => format!("domainname: set {}", name.to_string_lossy()),
    }
}

fn describe_mount(mount: &Mount) -> String {
    let what = match &mount.kind {
        MountKind::Bind { source, .. } => format!("bind {}", source.display()),
        MountKind::New(new) => new.fstype.to_string_lossy().into_owned(),
        MountKind::Remount => "remount".into(),
    };
    format!("mounts[{}]: mount {what} at {}", mount.index, mount.destination.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn process_steps_have_distinct_numbers_and_words() {
        for (at, (step, act)) in PROCESS_STEPS.iter().enumerate() {
            assert_eq!(*step as u16, FIRST_PROCESS_STEP + at as u16, "{act}");
        }
    }
}
