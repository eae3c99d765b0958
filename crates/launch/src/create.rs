//! `create`: the parent's side. State first, then the cgroup, then the clone; what follows is said in docs/protocol.md. A
//! failure on the way undoes what was done.

use crate::console::{self, PIDFD_OF_INIT};
use crate::error::{Act, Error};
use crate::handler::{Engine, Handler, handler};
use crate::hooks::{self, HookState};
use crate::id_maps;
use crate::init::{self, HookPlan, Join, Owned, Start};
use crate::namespaces::{Rest, clone_into};
use crate::notify::{self, Waiting};
use crate::pid_file;
use crate::process::Child;
use crate::sync::{self, FromParent, Sync};
use crate::talk::{Talk, run_anywhere, set_oom_score_adj};
use skiff_cgroup::Cgroup;
use skiff_plan::{CgroupLayout, Hook, HookKind, HostFacts, InitOp, MountKind, Plan};
use skiff_state::{HookRecords, Init, RECORD_VERSION, Record, StateDir, Status, Store, now_rfc3339_nano, start_time};
use skiff_sys::{Args, Cloned, SharedProgram, mount};
use std::cell::{Cell, RefCell};
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// What `create` is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The container's id.
    pub id: &'a str,
    /// What to make.
    pub plan: &'a Plan,
    /// The host it was planned for.
    pub facts: &'a HostFacts,
    /// Where its state goes.
    pub store: &'a Store,
    /// Where to write init's pid.
    pub pid_file: Option<&'a Path>,
    /// Who gets the terminal's master, if there is a terminal.
    pub console_socket: Option<&'a Path>,
    /// Who gets a descriptor of init.
    pub pidfd_socket: Option<&'a Path>,
    /// How many descriptors from 3 on the container keeps.
    pub preserve_fds: u32,
    /// How many descriptors from 3 on were open when this program began: [`crate::inherited_fds`].
    pub inherited_fds: u32,
    /// The arguments of this program.
    pub args: Args,
    /// Who runs WebAssembly.
    pub engine: Option<&'a dyn Engine>,
    /// Leave the caller's session keyring to the container.
    pub no_new_keyring: bool,
    /// The container may notify a service manager: [`crate::offer_notify`] has changed the plan for that.
    pub notify: bool,
}

/// A created container, as the process that made it knows it, and still holds its lock.
#[derive(Debug)]
pub struct Created {
    pub(crate) dir: StateDir,
    pub(crate) record: Record,
    pub(crate) cgroup: Cgroup,
    pub(crate) init: Child,
}

/// Makes the container up to the point where `start` only has to say go.
///
/// # Errors
/// Whatever stands in the way; nothing is left behind then.
pub fn create(request: &Request<'_>) -> Result<Created, Error> {
    create_with(request, None)
}

/// The same, with the terminal's master sent to `relay` where nobody listens at a console socket.
pub(crate) fn create_with(request: &Request<'_>, relay: Option<OwnedFd>) -> Result<Created, Error> {
    ready_to_clone(request.preserve_fds, request.inherited_fds, request.facts)?;
    let mut handler = handler(request.plan.handler, request.engine)?;
    let sockets = Sockets::connect(request, relay)?;
    let dir = request.store.create(request.id)?;
    let mut attempt = Attempt { dir, record: record(request), cgroup: None, init: None };
    match attempt.create(request, handler.as_mut(), sockets) {
        Ok(()) => attempt.finish(),
        Err(error) => Err(attempt.undo(error)),
    }
}

/// What must hold of the runtime itself: the descriptors to hand on were there before any of ours could take their place, and
/// its children can be waited for, though some callers leave SIGCHLD ignored.
pub(crate) fn ready_to_clone(preserve_fds: u32, inherited_fds: u32, facts: &HostFacts) -> Result<(), Error> {
    if preserve_fds > inherited_fds {
        let missing = 3 + inherited_fds;
        return Err(Error::Status(format!("--preserve-fds {preserve_fds}: descriptor {missing} is not open")));
    }
    skiff_sys::reset_dispositions(facts.ignored_signals & 1 << (libc::SIGCHLD - 1)).act(|| "reset SIGCHLD".into())
}

/// How many descriptors from 3 on are open. To be asked before this program opens any.
#[must_use]
pub fn inherited_fds() -> u32 {
    (0..).find(|count| !skiff_sys::is_open(3 + count)).unwrap_or(0)
}

/// Where descriptors are sent, connected while the paths still mean the host's.
struct Sockets {
    console: Option<OwnedFd>,
    pidfd: Option<OwnedFd>,
}

impl Sockets {
    fn connect(request: &Request<'_>, relay: Option<OwnedFd>) -> Result<Self, Error> {
        let terminal = request.plan.process.terminal.is_some();
        let console = match request.console_socket.filter(|_| terminal) {
            Some(path) => Some(console::connect_socket("--console-socket", path)?),
            None => relay,
        };
        if terminal && console.is_none() {
            return Err(Error::Status(
                "config.json: process.terminal: --console-socket is needed where nobody waits for the container".into(),
            ));
        }
        let pidfd = request.pidfd_socket.map(|path| console::connect_socket("--pidfd-socket", path)).transpose()?;
        Ok(Self { console, pidfd })
    }
}

/// Makes the container, starts it and returns.
///
/// # Errors
/// As [`create`] and [`crate::start`]; nothing is left behind then.
pub fn run_detached(request: &Request<'_>) -> Result<(), Error> {
    let created = create(request)?;
    let started = Waiting::begin(&created.dir).and_then(|notify| {
        created.start()?;
        created.dir.unlock();
        notify.map_or(Ok(()), |notify| notify.until_ready(created.init.number(), created.init.pidfd.as_fd()))
    });
    started.map_err(|error| created.give_up(error))
}

/// What exists so far.
struct Attempt {
    dir: StateDir,
    record: Record,
    cgroup: Option<Cgroup>,
    init: Option<Child>,
}

impl Attempt {
    fn create(&mut self, request: &Request<'_>, handler: &mut dyn Handler, sockets: Sockets) -> Result<(), Error> {
        self.dir.save_first(&self.record)?;
        if request.notify {
            notify::make_directory(self.dir.path())?;
        }
        let fifo = self.dir.make_fifo()?;
        let pair = sync::pair().act(|| "make a socket pair".into())?;
        crate::cgroup::check_unclaimed(&self.record, request.store)?;
        if request.plan.cgroup.unit.is_none() {
            self.own(crate::cgroup::create(&request.plan.cgroup, request.facts)?, request)?;
        }
        let without_cgroup = self.record.cgroup.version == 0 && request.plan.cgroup.layout != CgroupLayout::Disabled;
        let redirected =
            without_cgroup.then(|| crate::cgroup::redirect(&request.plan.init_ops, &request.plan.cgroup, request.facts));
        let ops = redirected.as_deref().unwrap_or(&request.plan.init_ops);
        let program = request.plan.process.seccomp.as_ref().map(|_| SharedProgram::new());
        let mut program = program.transpose().act(|| "share memory with init".into())?;
        let sources = open_sources(request.plan, ops)?;
        let (cloned, rest) = clone_into(&request.plan.namespaces, self.cgroup.as_ref())?;
        let (pid, pidfd) = match cloned {
            Cloned::Parent { pid, pidfd } => (pid, pidfd),
            Cloned::Child => {
                close_parents(&[pair.1.0.as_fd(), self.dir.as_fd()]);
                let owned = Owned { sync: pair.0, fifo: Some(fifo), console: RefCell::new(sockets.console), program, sources };
                init::run(Start { ops, ..self.start(request, rest, handler, owned) })
            }
        };
        drop((pair.0, fifo, sockets.console, sources));
        self.init = Some(Child { pid, pidfd });
        self.attend(request, &pair.1, &rest, program.as_mut())?;
        self.record(request)?;
        if let (Some(socket), Some(init)) = (&sockets.pidfd, &self.init) {
            console::send_pidfd(socket.as_fd(), init.pidfd.as_fd(), PIDFD_OF_INIT)?;
        }
        pair.1.tell_init(FromParent::Committed).act(|| "tell init that it is created".into())?;
        request.engine.inspect(|engine| engine.compile());
        Ok(())
    }

    /// What init finds when it begins.
    fn start<'a>(&'a self, request: &Request<'a>, rest: Rest, handler: &'a mut dyn Handler, owned: Owned) -> Start<'a> {
        let plan = request.plan;
        let states = || [Status::Creating, Status::Created].map(|status| self.hook_state(status, Some(1)).json());
        let due = [&plan.hooks.prestart, &plan.hooks.create_runtime, &plan.hooks.create_container, &plan.hooks.start_container];
        let hooks = due.iter().any(|hooks| !hooks.is_empty()).then(|| HookPlan {
            hooks: &plan.hooks,
            rootfs: &plan.rootfs,
            states: states(),
        });
        let keyring = (!request.no_new_keyring).then(|| CString::new(format!("_ses.{}", request.id)).ok()).flatten();
        Start {
            ops: &plan.init_ops,
            process: &plan.process,
            facts: request.facts,
            keep_fds: request.preserve_fds,
            cgroup: self.record.cgroup.dirs.first().filter(|_| self.record.cgroup.version == 2).map(|(_, dir)| dir.as_path()),
            wait_placed: rest.wait_placed,
            join: Join::Files(rest),
            user_namespace: plan.namespaces.own() & libc::CLONE_NEWUSER as u64 != 0,
            hooks,
            keyring,
            handler,
            args: request.args,
            owned,
            program_length: Cell::new(None),
        }
    }

    /// The parent's part while init works, up to its readiness.
    fn attend(
        &mut self,
        request: &Request<'_>,
        sync: &Sync,
        rest: &Rest,
        program: Option<&mut SharedProgram>,
    ) -> Result<(), Error> {
        let plan = request.plan;
        self.enter_cgroup(request, rest)?;
        let hooks = [&plan.hooks.prestart, &plan.hooks.create_runtime].into_iter().flatten().cloned().collect::<Vec<Hook>>();
        let (Some(cgroup), Some(child)) = (&self.cgroup, &mut self.init) else { return Ok(()) };
        if plan.namespaces.new_user() && rest.again.is_none() {
            id_maps::write(child.pid, &plan.namespaces.maps, request.facts)?;
        }
        let mut talk = Talk { sync, child, cgroup, process: &plan.process, engine: request.engine, ops: &plan.init_ops };
        if rest.wait_placed {
            talk.tell(FromParent::Placed)?;
        }
        if rest.again.is_some() {
            talk.until_cloned()?;
            if plan.namespaces.new_user() {
                id_maps::write(talk.child.pid, &plan.namespaces.maps, request.facts)?;
            }
            talk.tell(FromParent::Placed)?;
        }
        run_anywhere(talk.child);
        set_oom_score_adj(talk.child, &plan.process)?;
        talk.hand_over(program)?;
        let (record, dir) = (&self.record, &self.dir);
        talk.until_ready(&mut |pid| {
            // A hook may take as long as it likes; delete --force must not have to wait for it.
            dir.unlock();
            let state = hook_state(record, Status::Creating, Some(pid)).json();
            let env = hooks::own_environment();
            let context = hooks::Context { state: &state, env: &env, directory: Some(&plan.bundle), umask: Some(0o022) };
            hooks::run(&hooks, &context)?;
            Ok(dir.lock()?)
        })
    }

    /// systemd makes a scope around a process, so it is asked only now that there is one.
    fn enter_cgroup(&mut self, request: &Request<'_>, rest: &Rest) -> Result<(), Error> {
        let Some(child) = &self.init else { return Ok(()) };
        match &self.cgroup {
            None => self.own(crate::cgroup::create_unit(&request.plan.cgroup, request.facts, child.number())?, request),
            Some(cgroup) if rest.place => Ok(cgroup.place(child.number())?),
            Some(_) => Ok(()),
        }
    }

    /// Takes a new cgroup into our charge, so that whatever fails next takes it away again.
    fn own(&mut self, cgroup: Cgroup, request: &Request<'_>) -> Result<(), Error> {
        self.record.cgroup = cgroup.record();
        let cgroup = self.cgroup.insert(cgroup);
        request.plan.cgroup.owner.map_or(Ok(()), |uid| Ok(cgroup.give_to(uid)?))
    }

    fn hook_state(&self, status: Status, pid: Option<u32>) -> HookState<'_> {
        hook_state(&self.record, status, pid)
    }

    /// From here on the container exists for every other command.
    fn record(&mut self, request: &Request<'_>) -> Result<(), Error> {
        let Some(init) = &self.init else { return Ok(()) };
        let pid = init.number();
        let Some((start_time, _)) = start_time(pid)? else {
            return Err(Error::InitGone { signal: None, out_of_memory: Some(false) });
        };
        self.record.init = Some(Init { pid, start_time });
        self.dir.save(&self.record)?;
        request.pid_file.map_or(Ok(()), |path| pid_file::write(path, pid))
    }

    fn finish(self) -> Result<Created, Error> {
        match (self.init, self.cgroup) {
            (Some(init), Some(cgroup)) => Ok(Created { dir: self.dir, record: self.record, cgroup, init }),
            _ => Err(Error::Status("create has made no init".into())),
        }
    }

    /// Takes everything back, and says what could not be.
    fn undo(self, error: Error) -> Error {
        let mut errors = vec![error];
        if let Some(init) = &self.init {
            init.kill();
        }
        if let Some(cgroup) = &self.cgroup {
            // Without a pid namespace of its own, a hook of the container's may have left something running.
            errors.extend(cgroup.kill().err().map(Error::from));
            errors.extend(cgroup.remove().err().map(Error::from));
        }
        if self.init.is_some() {
            run_poststop(&self.record);
        }
        errors.extend(self.dir.remove().err().map(Error::from));
        match crate::error::all(errors) {
            Err(error) => error,
            Ok(()) => Error::Status("create failed".into()),
        }
    }
}

/// Runs the poststop hooks of a container that is no more, every one; what went wrong is for the log (runtime.md, "Lifecycle").
pub(crate) fn run_poststop(record: &Record) -> Vec<String> {
    let hooks = record.hooks.poststop.iter();
    let run = |hook| run_recorded(record, HookKind::Poststop, std::slice::from_ref(hook), Status::Stopped, None);
    hooks.filter_map(|hook| run(hook).err()).map(|error| error.to_string()).collect()
}

/// Runs hooks that the record keeps, in the runtime's namespaces.
pub(crate) fn run_recorded(
    record: &Record,
    kind: HookKind,
    due: &[skiff_state::HookRecord],
    status: Status,
    pid: Option<u32>,
) -> Result<(), Error> {
    if due.is_empty() {
        return Ok(());
    }
    let due = hooks::from_records(kind, due)?;
    let state = hook_state(record, status, pid).json();
    let env = hooks::own_environment();
    Ok(hooks::run(&due, &hooks::Context { state: &state, env: &env, directory: Some(&record.bundle), umask: Some(0o022) })?)
}

fn hook_state(record: &Record, status: Status, pid: Option<u32>) -> HookState<'_> {
    HookState {
        oci_version: &record.oci_version,
        id: &record.id,
        status,
        pid,
        bundle: &record.bundle,
        annotations: &record.annotations,
    }
}

/// In the child: the parent's death must show as end of file, and an inherited lock would block start for ever.
pub(crate) fn close_parents(fds: &[BorrowedFd<'_>]) {
    for fd in fds.iter().map(|fd| fd.as_raw_fd().unsigned_abs()) {
        let _ = skiff_sys::close_range(fd, fd);
    }
}

/// The sources of binds for a container with its own users, whose root may not reach them. Such a tree stays a peer of the
/// host's until it is made a slave.
fn open_sources(plan: &Plan, ops: &[InitOp]) -> Result<Vec<(usize, OwnedFd)>, Error> {
    if plan.namespaces.own() & libc::CLONE_NEWUSER as u64 == 0 {
        return Ok(Vec::new());
    }
    let binds = ops.iter().enumerate().filter_map(|(step, op)| match op {
        InitOp::Mount(mount) => match &mount.kind {
            MountKind::Bind { source, recursive } => Some((step, mount.index, source, *recursive)),
            _ => None,
        },
        _ => None,
    });
    binds
        .filter_map(|(step, index, source, recursive)| {
            open_source(index, source, recursive).map(|tree| Some((step, tree?))).transpose()
        })
        .collect()
}

/// `None` where the runtime itself has no say over mounts: then init, in its own user namespace, opens the source.
fn open_source(index: usize, source: &Path, recursive: bool) -> Result<Option<OwnedFd>, Error> {
    let act = || format!("mounts[{index}].source: {}", source.display());
    match mount::open_tree(None, source, recursive) {
        Err(nix::errno::Errno::EPERM) => Ok(None),
        other => {
            let tree = other.act(act)?;
            mount::set_attributes(tree.as_fd(), 0, 0, libc::MS_SLAVE, true).act(act)?;
            Ok(Some(tree))
        }
    }
}

/// What is known before the clone. Whoever finds it later can remove all that this create makes.
fn record(request: &Request<'_>) -> Record {
    let plan = request.plan;
    Record {
        version: RECORD_VERSION,
        oci_version: plan.oci_version.clone(),
        id: request.id.into(),
        bundle: plan.bundle.clone(),
        rootfs: plan.rootfs.clone(),
        created: now_rfc3339_nano(),
        annotations: plan.annotations.clone(),
        owner_uid: request.facts.euid,
        cgroup: skiff_cgroup::planned(&plan.cgroup),
        resources: plan.cgroup.base.clone(),
        namespaces: plan.namespaces.own(),
        new_pid_namespace: plan.namespaces.new & libc::CLONE_NEWPID as u64 != 0,
        exec: plan.exec_base.text(),
        hooks: HookRecords {
            poststart: hooks::to_records(&plan.hooks.poststart),
            poststop: hooks::to_records(&plan.hooks.poststop),
        },
        init: None,
    }
}
