//! init: what becomes the container's first process. It walks the plan and only executes; everything was decided
//! before the clone. It never returns and never prints: it reports over the socket, or ends at end of file.

mod copy_up;
mod devices;
mod hide;
mod mounts;
mod process;
pub(crate) use process::check_preserved;
mod root;
mod sysctl;

use crate::handler::Handler;
use crate::steps::{About, Fault, ProcessStep, Step};
use crate::sync::{FromParent, Sync};
use devices::Devices;
use hide::Masks;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::CloneFlags;
use root::Root;
use skiff_plan::{HostFacts, InitOp, Plan};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// Exit code of an init that did not become the container, when nobody asks for it any more.
const FAILED: i32 = 255;

/// What init starts with, all of it inherited through the clone.
pub(crate) struct Start<'a> {
    pub plan: &'a Plan,
    pub facts: &'a HostFacts,
    pub sync: Sync,
    pub fifo: OwnedFd,
    /// The container keeps descriptors 3 to 2 + this.
    pub keep_fds: u32,
    /// Namespaces to unshare once the parent has placed us; empty when cloned into the cgroup.
    pub late: CloneFlags,
    /// The parent places us in the cgroup after the clone.
    pub wait_placed: bool,
    pub handler: &'a mut dyn Handler,
}

/// A step and why it failed.
type Failed = (Step, Fault);

/// Names the step that a fault belongs to.
trait At<T> {
    fn at(self, step: Step) -> Result<T, Failed>;
    fn during(self, step: ProcessStep) -> Result<T, Failed>
    where
        Self: Sized,
    {
        self.at(Step::Process(step))
    }
}

impl<T, E: Into<Fault>> At<T> for Result<T, E> {
    fn at(self, step: Step) -> Result<T, Failed> {
        self.map_err(|error| (step, error.into()))
    }
}

/// Runs init to its end.
pub(crate) fn run(mut start: Start<'_>) -> ! {
    if let Err((step, fault)) = prepare(&mut start) {
        // The parent may be gone; then nobody wants to know.
        let _ = start.sync.failed(step.number(), &fault);
        skiff_sys::exit_now(FAILED);
    }
    wait_committed(&start).unwrap_or_else(|_| skiff_sys::exit_now(FAILED));
    wait_started(&start.fifo);
    start.handler.run(&start.plan.process, &start.fifo)
}

/// Everything that can fail, up to the point where the parent may say that the container is created.
fn prepare(start: &mut Start<'_>) -> Result<(), Failed> {
    // Until execve nobody in the container may look into this process: its memory is the runtime's (CVE-2016-9962).
    nix::sys::prctl::set_dumpable(false).during(ProcessStep::Begin)?;
    nix::sys::stat::umask(nix::sys::stat::Mode::empty());
    if start.wait_placed {
        wait_placed(&start.sync).during(ProcessStep::Placed)?;
    }
    if !start.late.is_empty() {
        nix::sched::unshare(start.late).during(ProcessStep::LateNamespaces)?;
    }
    nix::unistd::setsid().during(ProcessStep::Session)?;
    build(start.plan)?;
    let keep = process::Keep { fds: start.keep_fds, sync: start.sync.0.as_raw_fd(), fifo: start.fifo.as_raw_fd() };
    process::become_process(&start.plan.process, start.facts, &keep)?;
    start.handler.prepare(&start.plan.process).during(ProcessStep::Command)
}

fn wait_placed(sync: &Sync) -> Result<(), Fault> {
    match sync.hear_parent()? {
        Some(FromParent::Placed) => Ok(()),
        None => skiff_sys::exit_now(FAILED),
        Some(_) => Err(Errno::EPROTO.into()),
    }
}

/// What the steps leave for later ones.
#[derive(Default)]
struct Builder {
    root: Option<Root>,
    devices: Devices,
    masks: Masks,
}

fn build(plan: &Plan) -> Result<(), Failed> {
    let mut builder = Builder::default();
    for (index, op) in plan.init_ops.iter().enumerate() {
        builder.step(op).at(Step::Op(index))?;
    }
    Ok(())
}

impl Builder {
    fn root(&self) -> Result<&Root, Fault> {
        self.root.as_ref().ok_or_else(|| Fault::new(Errno::EBADF, "no root attached"))
    }

    fn step(&mut self, op: &InitOp) -> Result<(), Fault> {
        match op {
            InitOp::LoopbackUp => Ok(skiff_sys::loopback_up()?),
            InitOp::Propagation(flags) => root::set_propagation(*flags),
            InitOp::AttachRoot { path, private_parent } => {
                self.root = Some(Root::attach(path, *private_parent)?);
                Ok(())
            }
            InitOp::Mount(mount) => mounts::mount(self.root()?, mount),
            InitOp::Device(device) => {
                let root = self.root.as_ref().ok_or(Errno::EBADF)?;
                self.devices.make(root, device)
            }
            InitOp::Symlink { target, path, keep_existing } => {
                let root = self.root.as_ref().ok_or(Errno::EBADF)?;
                self.devices.link(root, target, path, *keep_existing)
            }
            InitOp::WorkingDirectory(path) => self.root()?.directory(path).map(drop),
            InitOp::ReadonlyMount(path) => hide::read_only_mount(self.root()?, path),
            InitOp::ReadonlyPath(path) => hide::read_only_path(self.root()?, path),
            InitOp::MaskPath(path) => {
                let root = self.root.as_ref().ok_or(Errno::EBADF)?;
                self.masks.mask(root, path)
            }
            InitOp::ReadonlyRoot => self.root()?.make_read_only(),
            InitOp::EnterRoot { no_pivot, propagation } => self.root()?.enter(*no_pivot, *propagation),
            InitOp::Sysctl { key, value } => sysctl::write(key, value),
            InitOp::Hostname(name) => Ok(nix::unistd::sethostname(name_of(name))?),
            InitOp::Domainname(name) => Ok(skiff_sys::set_domain_name(name)?),
        }
    }
}

fn name_of(name: &std::ffi::CStr) -> &std::ffi::OsStr {
    std::os::unix::ffi::OsStrExt::from_bytes(name.to_bytes())
}

/// Says Ready and waits until the parent has recorded the container. At end of file the parent is gone: so are we.
fn wait_committed(start: &Start<'_>) -> nix::Result<()> {
    start.sync.ready()?;
    loop {
        match start.sync.hear_parent()? {
            Some(FromParent::Committed) => return Ok(()),
            Some(FromParent::LimitYourself) => limit_ourselves(start)?,
            Some(FromParent::Placed) => return Err(Errno::EPROTO),
            None => skiff_sys::exit_now(FAILED),
        }
    }
}

fn limit_ourselves(start: &Start<'_>) -> nix::Result<()> {
    for limit in &start.plan.process.rlimits {
        if let Err(fault) = skiff_sys::set_rlimit(0, limit.resource, limit.soft, limit.hard).about(limit.name) {
            start.sync.failed(Step::Process(ProcessStep::Limits).number(), &fault)?;
            skiff_sys::exit_now(FAILED);
        }
    }
    start.sync.ready()
}

/// Waits for the byte that `start` writes. The handler takes it, as late as it can: an unread byte tells `start` that we failed.
fn wait_started(fifo: &OwnedFd) {
    let mut fds = [PollFd::new(fifo.as_fd(), PollFlags::POLLIN)];
    while poll(&mut fds, PollTimeout::NONE) != Ok(1) {}
}
