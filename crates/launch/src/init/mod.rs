//! init: what becomes the container's first process. It walks the plan and only executes; everything was decided
//! before the clone. It never returns and never prints: it reports over the socket, or ends at end of file.

mod copy_up;
mod devices;
mod hide;
mod join;
mod mounts;
mod process;
mod root;
mod sysctl;

pub(crate) use join::Join;

use crate::console::Console;
use crate::handler::{Handler, Parent};
use crate::hooks;
use crate::steps::{About, Fault, ProcessStep, Step};
use crate::sync::{FromParent, Sync};
use hide::Masks;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::CloneFlags;
use nix::sys::stat::Mode;
use root::{Fd, Root};
use skiff_plan::{Hook, Hooks, HostFacts, InitOp, Process};
use skiff_sys::{Args, SharedProgram};
use std::cell::{Cell, RefCell};
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Exit code of an init that did not become the container, when nobody asks for it any more.
const FAILED: i32 = 255;

/// What a process on its way into a container starts with, all of it inherited through the clone.
pub(crate) struct Start<'a> {
    /// The steps to walk; none for exec.
    pub ops: &'a [InitOp],
    pub process: &'a Process,
    pub facts: &'a HostFacts,
    /// The container keeps descriptors 3 to 2 + this.
    pub keep_fds: u32,
    /// The container's directory on version 2, if it has one; not for exec.
    pub cgroup: Option<&'a Path>,
    /// The parent has something to do to us first.
    pub wait_placed: bool,
    pub join: Join,
    /// The container does not live in the runtime's user namespace.
    pub user_namespace: bool,
    pub hooks: Option<HookPlan<'a>>,
    /// Name of the session keyring.
    pub keyring: Option<CString>,
    pub handler: &'a mut (dyn Handler + 'a),
    /// The runtime's own command line, to be hidden where nothing is executed.
    pub args: Args,
    pub owned: Owned,
    /// Length of the program, once the parent has told it.
    pub program_length: Cell<Option<u16>>,
}

/// What it has inherited and owns from now on.
pub(crate) struct Owned {
    pub sync: Sync,
    /// Where the start byte comes from; exec has none.
    pub fifo: Option<OwnedFd>,
    /// Where the terminal's master goes.
    pub console: RefCell<Option<OwnedFd>>,
    /// Where the parent stores the seccomp program.
    pub program: Option<SharedProgram>,
    /// Bind sources that the parent has opened, by the index of their step: a mapped root may not reach them.
    pub sources: Vec<(usize, OwnedFd)>,
}

/// The hooks of a container and what init must know to run its own.
pub(crate) struct HookPlan<'a> {
    pub hooks: &'a Hooks,
    /// Where createContainer hooks start: the root, still at its host path.
    pub rootfs: &'a Path,
    /// States as the hooks find them on stdin: creating and created.
    pub states: [Vec<u8>; 2],
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
        let _ = start.owned.sync.failed(step.number(), &fault);
        skiff_sys::exit_now(FAILED);
    }
    wait_committed(&start).unwrap_or_else(|_| skiff_sys::exit_now(FAILED));
    run_start_hooks(&start);
    let Start { handler, process, owned, args, facts, .. } = start;
    drop((owned.sync, owned.program));
    if !handler.executes() {
        take_its_place(args, process);
        show_memory(facts);
    }
    handler.run(process, owned.fifo)
}

/// Where nothing is executed, this process stays the runtime's in more than its memory: its command line, environment and name
/// can be seen, and children that `exec` leaves to it would stay as zombies.
fn take_its_place(args: Args, process: &Process) {
    args.replace(&process.args);
    let name = process.args.first().map(|arg| arg.to_bytes().rsplit(|&byte| byte == b'/').next().unwrap_or_default());
    if let Some(name) = name.and_then(|name| CString::new(name).ok()) {
        let _ = nix::sys::prctl::set_name(&name);
    }
    let _ = skiff_sys::reap_children_at_once();
}

/// A runtime without privileges could not enter the namespaces of a process that hides from it, since without execve this one's
/// memory belongs to the runtime's user namespace and not to the container's: exec would fail. What is left in it of the runtime
/// is then the user's own, its executable cannot be written, and everything else is closed.
fn show_memory(facts: &HostFacts) {
    if facts.permitted >> CAP_SYS_PTRACE & 1 == 0 {
        let _ = nix::sys::prctl::set_dumpable(true);
    }
}

const CAP_SYS_PTRACE: u32 = 19;

/// Everything that can fail, up to the point where the parent may say that the process is there.
fn prepare(start: &mut Start<'_>) -> Result<(), Failed> {
    skiff_sys::set_umask(0);
    start.handler.load().during(ProcessStep::Command)?;
    if !start.user_namespace {
        hide_memory().during(ProcessStep::Begin)?;
    }
    if start.wait_placed {
        wait_placed(&start.owned.sync).during(ProcessStep::Placed)?;
    }
    join::enter(start)?;
    if start.user_namespace {
        join::become_mapped_root().during(ProcessStep::MappedRoot)?;
        // Only now: a parent without privileges could not write the maps of a process that hides.
        hide_memory().during(ProcessStep::Begin)?;
    }
    if let Join::Files(rest) = &start.join
        && rest.late != 0
    {
        nix::sched::unshare(CloneFlags::from_bits_retain(rest.late as i32)).during(ProcessStep::LateNamespaces)?;
    }
    nix::unistd::setsid().during(ProcessStep::Session)?;
    if let Some(name) = &start.keyring {
        join_keyring(name).during(ProcessStep::Keyring)?;
    }
    if let Some(console) = terminal(start)? {
        console.become_stdio().during(ProcessStep::Terminal)?;
    }
    process::become_process(start)?;
    start.handler.prepare(start.process).during(ProcessStep::Command)
}

/// Until execve nobody in the container may look into this process: its memory is the runtime's (CVE-2016-9962).
fn hide_memory() -> nix::Result<()> {
    nix::sys::prctl::set_dumpable(false)
}

/// A kernel without keys, or a user with too many, is no reason to fail: runc goes on, too.
fn join_keyring(name: &CString) -> nix::Result<()> {
    match skiff_sys::join_session_keyring(name) {
        Ok(()) | Err(Errno::ENOSYS | Errno::EDQUOT | Errno::EPERM) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Builds the root, if there is one to build, and makes the process' terminal, if it has one.
fn terminal(start: &Start<'_>) -> Result<Option<Console>, Failed> {
    if !start.ops.is_empty() {
        return build(start);
    }
    let Some(terminal) = &start.process.terminal else { return Ok(None) };
    let root = open("/", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()).during(ProcessStep::Terminal)?;
    let console = Console::open(root.as_fd(), terminal.size).during(ProcessStep::Terminal)?;
    start.send_master(&console).during(ProcessStep::Terminal)?;
    Ok(Some(console))
}

fn wait_placed(sync: &Sync) -> Result<(), Fault> {
    match sync.hear_parent()? {
        Some(FromParent::Placed) => Ok(()),
        None => skiff_sys::exit_now(FAILED),
        Some(_) => Err(Errno::EPROTO.into()),
    }
}

impl Start<'_> {
    /// Closes every descriptor but stdio, what goes to the container, what is still needed of ours, and `more`.
    fn close_others(&self, more: impl IntoIterator<Item = u32>) -> nix::Result<()> {
        let number = |fd: BorrowedFd<'_>| fd.as_raw_fd().unsigned_abs();
        let console = self.owned.console.borrow();
        let own = [Some(self.owned.sync.0.as_fd()), self.owned.fifo.as_ref().map(AsFd::as_fd), console.as_ref().map(AsFd::as_fd)];
        let mut kept: Vec<u32> = own.into_iter().flatten().map(number).chain(more).collect();
        kept.sort_unstable();
        skiff_sys::close_from(3 + self.keep_fds, &kept)
    }

    /// Descriptors that only the building of the root needs.
    fn sources(&self) -> impl Iterator<Item = u32> {
        self.owned.sources.iter().map(|(_, fd)| fd.as_raw_fd().unsigned_abs())
    }

    fn send_master(&self, console: &Console) -> Result<(), Fault> {
        // Whoever reads the socket to its end must not have to wait for the end of the container.
        match self.owned.console.take() {
            Some(socket) => console.send(socket.as_fd()),
            None => Err(Fault::new(Errno::UnknownErrno, "there is no --console-socket for the terminal")),
        }
    }

    /// Lets the handler look for what it runs, and ask the parent about it.
    fn find_module(&mut self) -> Result<(), Failed> {
        let Start { handler, process, owned, program_length, .. } = self;
        handler.find(process, &Questions { sync: &owned.sync, program_length }).during(ProcessStep::Command)
    }

    /// The source that the parent has opened for a step.
    fn source(&self, index: usize) -> Option<Fd> {
        let found = self.owned.sources.iter().find(|(step, _)| *step == index)?;
        found.1.try_clone().ok().map(skiff_sys::leave_open)
    }

    /// Waits for one message of the parent's. That the program is ready may come at any time before.
    fn hear(&self, wanted: FromParent) -> Result<(), Fault> {
        loop {
            match self.owned.sync.hear_parent()? {
                Some(FromParent::SeccompReady(length)) => self.program_length.set(Some(length)),
                Some(message) if message == wanted => return Ok(()),
                Some(_) => return Err(Errno::EPROTO.into()),
                None => skiff_sys::exit_now(FAILED),
            }
            if matches!(wanted, FromParent::SeccompReady(_)) {
                return Ok(());
            }
        }
    }

    /// Loads the filter, when the parent has compiled it.
    fn load_seccomp(&self) -> Result<(), Fault> {
        let (Some(profile), Some(shared)) = (&self.process.seccomp, &self.owned.program) else { return Ok(()) };
        if self.program_length.get().is_none() {
            self.hear(FromParent::SeccompReady(0))?;
        }
        let program = shared.load(self.program_length.get().unwrap_or_default());
        Ok(skiff_sys::seccomp::load(&program, profile.flags)?)
    }

    /// Hooks of the container's namespaces have its process' environment where they have none of their own, as runc's.
    fn run_ours(&self, due: &[Hook], state: &[u8], directory: Option<&Path>) -> Result<(), Fault> {
        let context = hooks::Context { state, env: &self.process.env, directory, umask: Some(0o022) };
        Ok(hooks::run(due, &context)?)
    }

    /// The hooks that are due before the root is entered: the parent's, then ours.
    fn run_hooks(&self) -> Result<(), Fault> {
        let Some(plan) = &self.hooks else { return Ok(()) };
        if !(plan.hooks.prestart.is_empty() && plan.hooks.create_runtime.is_empty()) {
            self.owned.sync.root_ready()?;
            self.hear(FromParent::HooksDone)?;
        }
        self.run_ours(&plan.hooks.create_container, &plan.states[0], Some(plan.rootfs))
    }
}

/// What a handler may ask.
struct Questions<'a> {
    sync: &'a Sync,
    program_length: &'a Cell<Option<u16>>,
}

impl Parent for Questions<'_> {
    fn compiled(&self, digest: [u8; 32], module: BorrowedFd<'_>) -> nix::Result<Option<OwnedFd>> {
        self.sync.ask_compiled(digest, module, &|length| self.program_length.set(Some(length)))
    }
}

/// The startContainer hooks, once `start` has said so. Their failure ends init with the start byte left, which tells `start`.
fn run_start_hooks(start: &Start<'_>) {
    let (Some(plan), Some(fifo)) = (&start.hooks, &start.owned.fifo) else { return };
    if plan.hooks.start_container.is_empty() {
        return;
    }
    let mut fds = [PollFd::new(fifo.as_fd(), PollFlags::POLLIN)];
    while poll(&mut fds, PollTimeout::NONE) != Ok(1) {}
    if let Err(fault) = start.run_ours(&plan.hooks.start_container, &plan.states[1], None) {
        let _ = nix::unistd::write(std::io::stderr(), format!("{}\n", fault.argument).as_bytes());
        skiff_sys::exit_now(FAILED);
    }
}

/// What the steps leave for later ones.
#[derive(Default)]
struct Builder {
    root: Option<Root>,
    masks: Masks,
    /// The host's mounts, as this namespace shows them, hand on what happens to them.
    host_is_shared: bool,
    console: Option<Console>,
}

/// So many steps leave their descriptors open before all are closed: far fewer calls, and never near a soft limit of 1024.
const SWEEP: usize = 64;

fn build(start: &Start<'_>) -> Result<Option<Console>, Failed> {
    let mut builder = Builder::default();
    for (index, op) in start.ops.iter().enumerate() {
        builder.step(start, index, op).at(Step::Op(index))?;
        if index % SWEEP == SWEEP - 1 {
            builder.sweep(start).at(Step::Op(index))?;
        }
    }
    Ok(builder.console)
}

impl Builder {
    /// Closes what the steps so far have left open. Between two steps only the builder's own descriptors are in use.
    fn sweep(&mut self, start: &Start<'_>) -> nix::Result<()> {
        if let Some(root) = &mut self.root {
            root.forget();
        }
        let ours = [self.root.as_ref().map(Root::fd), self.masks.null, self.masks.empty];
        let ours = ours.into_iter().flatten().map(|fd| fd.as_raw_fd().unsigned_abs());
        let console = self.console.iter().flat_map(Console::descriptors);
        start.close_others(ours.chain(console).chain(start.sources()))
    }

    fn console(&mut self, start: &Start<'_>) -> Result<(), Fault> {
        let size = start.process.terminal.and_then(|terminal| terminal.size);
        let root = self.root()?.fd();
        let console = Console::open(root, size)?;
        start.send_master(&console)?;
        console.bind(root)?;
        self.console = Some(console);
        Ok(())
    }

    fn root(&self) -> Result<&Root, Fault> {
        self.root.as_ref().ok_or_else(|| Fault::new(Errno::EBADF, "no root attached"))
    }

    fn step(&mut self, start: &Start<'_>, index: usize, op: &InitOp) -> Result<(), Fault> {
        match op {
            InitOp::LoopbackUp => Ok(skiff_sys::loopback_up()?),
            InitOp::Propagation(flags) => {
                self.host_is_shared = flags & libc::MS_SHARED != 0;
                root::set_propagation(*flags)
            }
            InitOp::AttachRoot { path, private_parent } => {
                self.root = Some(Root::attach(path, *private_parent)?);
                Ok(())
            }
            InitOp::Mount(mount) => mounts::mount(self.root()?, mount, start.source(index), start.cgroup),
            InitOp::Hooks => start.run_hooks(),
            InitOp::Console => self.console(start),
            InitOp::Device(device) => devices::make(self.root()?, device),
            InitOp::Symlink { target, path, keep_existing } => devices::link(self.root()?, target, path, *keep_existing),
            InitOp::WorkingDirectory(path) => self.root()?.directory(path).map(drop),
            InitOp::ReadonlyMount(path) => hide::read_only_mount(self.root()?, path),
            InitOp::ReadonlyPath(path) => hide::read_only_path(self.root()?, path),
            InitOp::MaskPath(path) => {
                let root = self.root.as_ref().ok_or(Errno::EBADF)?;
                self.masks.mask(root, path)
            }
            InitOp::ReadonlyRoot => self.root()?.make_read_only(),
            InitOp::EnterRoot { no_pivot, propagation } => self.root()?.enter(*no_pivot, self.host_is_shared, *propagation),
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
    start.owned.sync.ready()?;
    loop {
        match start.owned.sync.hear_parent()? {
            Some(FromParent::Committed) => return Ok(()),
            Some(FromParent::LimitYourself) => limit_ourselves(start)?,
            Some(_) => return Err(Errno::EPROTO),
            None => skiff_sys::exit_now(FAILED),
        }
    }
}

fn limit_ourselves(start: &Start<'_>) -> nix::Result<()> {
    for limit in &start.process.rlimits {
        if let Err(fault) = skiff_sys::set_rlimit(0, limit.resource, limit.soft, limit.hard).about(limit.name) {
            start.owned.sync.failed(Step::Process(ProcessStep::Limits).number(), &fault)?;
            skiff_sys::exit_now(FAILED);
        }
    }
    start.owned.sync.ready()
}
