//! `exec`: a further process of a running container. The parent's side; init's is the same as for create, without a root to
//! build and without a FIFO to wait on.

use crate::console::{self, PIDFD_OF_EXEC};
use crate::create::{close_parents, ready_to_clone};
use crate::error::{Act, Error};
use crate::foreground::Foreground;
use crate::handler::{Engine, handler};
use crate::init::{self, Join, Owned, Start};
use crate::kill::open;
use crate::pid_file;
use crate::process::Child;
use crate::status::status;
use crate::sync::{self, FromParent, Sync};
use crate::talk::{Talk, run_anywhere, set_oom_score_adj};
use nix::errno::Errno;
use skiff_cgroup::Cgroup;
use skiff_plan::{CgroupFacts, HandlerKind, HostFacts, Process};
use skiff_state::{CgroupRecord, Record, StateDir, Status};
use skiff_sys::{Args, CLONE_CLEAR_SIGHAND, Clone3, Cloned, SharedProgram, clone3};
use std::cell::{Cell, RefCell};
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

const CAP_SYS_ADMIN: u32 = 21;
const NEWPID: u64 = libc::CLONE_NEWPID as u64;
const NEWUSER: u64 = libc::CLONE_NEWUSER as u64;

/// What `exec` is asked for.
#[derive(Debug, Clone, Copy)]
pub struct ExecRequest<'a> {
    /// The container.
    pub dir: &'a StateDir,
    /// The process.
    pub process: &'a Process,
    /// Who runs it.
    pub handler: HandlerKind,
    /// The host.
    pub facts: &'a HostFacts,
    /// Where to write the pid.
    pub pid_file: Option<&'a Path>,
    /// Who gets the terminal's master, if there is a terminal; nobody: it is relayed.
    pub console_socket: Option<&'a Path>,
    /// Who gets a descriptor of the process.
    pub pidfd_socket: Option<&'a Path>,
    /// How many descriptors from 3 on the process keeps.
    pub preserve_fds: u32,
    /// How many descriptors from 3 on were open when this program began: [`crate::inherited_fds`].
    pub inherited_fds: u32,
    /// The arguments of this program.
    pub args: Args,
    /// Who runs WebAssembly.
    pub engine: Option<&'a dyn Engine>,
    /// `[CONTROLLERS:]PATH` below the container's cgroup, instead of that itself.
    pub cgroups: &'a [String],
    /// Go on although the container is paused: the process stands still with it.
    pub ignore_paused: bool,
    /// Leave the caller's session keyring to the process.
    pub no_new_keyring: bool,
    /// Return when the process runs.
    pub detach: bool,
}

/// Starts the process; its exit code, or 0 when detached.
///
/// # Errors
/// The container does not run, or the process cannot be started; nothing is left of it then.
pub fn exec(request: &ExecRequest<'_>) -> Result<u8, Error> {
    ready_to_clone(request.preserve_fds, request.inherited_fds, request.facts)?;
    let record = check(request)?;
    if request.detach {
        return start(request, &record, None, &mut || Ok(())).map(|_| 0);
    }
    let terminal = request.process.terminal.is_some() && request.console_socket.is_none();
    let (mut foreground, console) = Foreground::prepare(terminal)?;
    let child = start(request, &record, console, &mut || foreground.relay())?;
    foreground.wait(&child)
}

fn check(request: &ExecRequest<'_>) -> Result<Record, Error> {
    let (record, status) = status(request.dir)?;
    let refuse = |why: &str| Err(Error::Status(format!("cannot exec in a {why} container")));
    match status {
        Status::Created | Status::Running => {}
        Status::Paused if request.ignore_paused => {}
        // CLONE_INTO_CGROUP would hang.
        Status::Paused => {
            return Err(Error::Status("cannot exec in a paused container (use --ignore-paused to override)".into()));
        }
        Status::Creating => return refuse("half-created"),
        Status::Stopped => return refuse("stopped"),
    }
    Ok(record)
}

/// `ready` is called when the process waits to be let go, which is when its terminal must have somebody at its other end.
fn start(
    request: &ExecRequest<'_>,
    record: &Record,
    relay: Option<OwnedFd>,
    ready: &mut dyn FnMut() -> Result<(), Error>,
) -> Result<Child, Error> {
    let console = match request.console_socket.filter(|_| request.process.terminal.is_some()) {
        Some(path) => Some(console::connect_socket("--console-socket", path)?),
        None => relay,
    };
    if request.process.terminal.is_some() && console.is_none() {
        return Err(Error::Status("a detached process with a terminal needs --console-socket".into()));
    }
    let pidfd = request.pidfd_socket.map(|path| console::connect_socket("--pidfd-socket", path)).transpose()?;
    let mut attempt = Attempt { request, record, child: None };
    match attempt.run(console, pidfd, ready) {
        Ok(()) => attempt.child.ok_or_else(|| Error::Status("exec has made no process".into())),
        Err(error) => {
            if let Some(child) = &attempt.child {
                child.kill();
            }
            Err(error)
        }
    }
}

struct Attempt<'a> {
    request: &'a ExecRequest<'a>,
    record: &'a Record,
    child: Option<Child>,
}

impl Attempt<'_> {
    fn run(
        &mut self,
        console: Option<OwnedFd>,
        socket: Option<OwnedFd>,
        ready: &mut dyn FnMut() -> Result<(), Error>,
    ) -> Result<(), Error> {
        let request = self.request;
        let mut handler = handler(request.handler, request.engine)?;
        let init = self.record.init.as_ref().map(open).transpose()?.flatten();
        let init = init.ok_or_else(|| Error::Status("cannot exec in a stopped container".into()))?;
        let program = request.process.seccomp.as_ref().map(|_| SharedProgram::new());
        let mut program = program.transpose().act(|| "share memory with the process".into())?;
        let (inits, ours) = sync::pair().act(|| "make a socket pair".into())?;
        let cgroup = Cgroup::open(&below(&self.record.cgroup, request.cgroups)?);
        let (join, between) = self.join(init);
        let (cloned, place) = clone_into(&cgroup, self.record, request.facts).act(|| "clone a process".into())?;
        let (pid, pidfd) = match cloned {
            Cloned::Parent { pid, pidfd } => (pid, pidfd),
            Cloned::Child => {
                close_parents(&[ours.0.as_fd(), request.dir.as_fd()]);
                init::run(Start {
                    ops: &[],
                    process: request.process,
                    facts: request.facts,
                    keep_fds: request.preserve_fds,
                    cgroup: None,
                    wait_placed: place,
                    join,
                    user_namespace: self.record.namespaces & NEWUSER != 0,
                    hooks: None,
                    keyring: self.keyring(),
                    handler: handler.as_mut(),
                    args: request.args,
                    owned: Owned { sync: inits, fifo: None, console: RefCell::new(console), program, sources: Vec::new() },
                    program_length: Cell::new(None),
                })
            }
        };
        drop((inits, console));
        self.child = Some(Child { pid, pidfd });
        self.attend(&ours, &cgroup, place, between, program.as_mut())?;
        self.tell(socket)?;
        ready()?;
        ours.tell_init(FromParent::Committed).act(|| "tell the process to go on".into())?;
        request.engine.inspect(|engine| engine.compile());
        Ok(())
    }

    fn keyring(&self) -> Option<CString> {
        if self.request.no_new_keyring { None } else { CString::new(format!("_ses.{}", self.record.id)).ok() }
    }

    /// How the process comes into the container's namespaces, and whether another has to clone it there. What is born in the
    /// container's pid namespace must have left the host behind already: a process of the container with CAP_SYS_PTRACE could
    /// look through its root and descriptors otherwise (CVE-2016-9962).
    fn join(&self, pidfd: OwnedFd) -> (Join, bool) {
        let flags = self.record.namespaces;
        // Without privileges the others can be had only together with the user namespace.
        let at_once = self.request.facts.permitted >> CAP_SYS_ADMIN & 1 == 0;
        let again = at_once || flags & NEWPID != 0;
        (Join::Process { pidfd, flags, at_once, again }, again)
    }

    fn attend(
        &mut self,
        sync: &Sync,
        cgroup: &Cgroup,
        place: bool,
        between: bool,
        program: Option<&mut SharedProgram>,
    ) -> Result<(), Error> {
        let process = self.request.process;
        let Some(child) = &mut self.child else { return Ok(()) };
        if place {
            cgroup.place(child.number())?;
        }
        let mut talk = Talk { sync, child, cgroup, process, engine: self.request.engine, ops: &[] };
        if place {
            talk.tell(FromParent::Placed)?;
        }
        if between {
            talk.until_cloned()?;
            talk.tell(FromParent::Placed)?;
        }
        run_anywhere(talk.child);
        set_oom_score_adj(talk.child, process)?;
        talk.hand_over(program)?;
        talk.until_ready(&mut |_| Ok(()))
    }

    /// Tells the client who it is.
    fn tell(&self, socket: Option<OwnedFd>) -> Result<(), Error> {
        let Some(child) = &self.child else { return Ok(()) };
        if let Some(path) = self.request.pid_file {
            pid_file::write(path, child.number())?;
        }
        match socket {
            Some(socket) => console::send_pidfd(socket.as_fd(), child.pidfd.as_fd(), PIDFD_OF_EXEC),
            None => Ok(()),
        }
    }
}

/// A clone into the container's cgroup where the kernel can; else the parent has to place it.
fn clone_into(cgroup: &Cgroup, record: &Record, facts: &HostFacts) -> nix::Result<(Cloned, bool)> {
    let clone = |cgroup| clone3(Clone3 { flags: CLONE_CLEAR_SIGHAND, exit_signal: libc::SIGCHLD, cgroup });
    if let Some(dir) = cgroup.dir_fd() {
        match clone(Some(dir)) {
            // A container that has made cgroups of its own has no processes at the top.
            Err(Errno::EBUSY) => match present_cgroup(record, facts).and_then(|path| std::fs::File::open(path).ok()) {
                Some(present) => return clone(Some(present.as_fd())).map(|cloned| (cloned, false)),
                None => return Err(Errno::EBUSY),
            },
            Err(Errno::EACCES | Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::ENOENT) => {}
            other => return Ok((other?, false)),
        }
    }
    Ok((clone(None)?, record.cgroup.version != 0))
}

/// Where init lives now, on version 2: below the container's cgroup, if it has not been moved out of it.
fn present_cgroup(record: &Record, facts: &HostFacts) -> Option<PathBuf> {
    let CgroupFacts::V2 { mount, .. } = &facts.cgroup else { return None };
    let text = skiff_sys::read_whole(None, format!("/proc/{}/cgroup", record.init?.pid).as_str()).ok()?;
    let text = String::from_utf8(text).ok()?;
    let place = mount.join(text.lines().find_map(|line| line.strip_prefix("0::/"))?);
    record.cgroup.dirs.iter().any(|(_, dir)| place.starts_with(dir)).then_some(place)
}

/// The container's cgroup, or those below it that `--cgroup` names: `PATH` for all hierarchies, or `CONTROLLERS:PATH`.
fn below(record: &CgroupRecord, asked: &[String]) -> Result<CgroupRecord, Error> {
    let mut record = record.clone();
    for asked in asked {
        let (controllers, path) = asked.split_once(':').map_or((None, asked.as_str()), |(some, path)| (Some(some), path));
        let inside = path.trim_start_matches('/');
        let refuse = |why: &str| Err(Error::Status(format!("--cgroup {asked}: {why}")));
        if Path::new(inside).components().any(|part| !matches!(part, Component::Normal(_))) {
            return refuse("leads out of the container's cgroup");
        }
        let names =
            |dir: &str| controllers.is_none_or(|some| some.split(',').all(|name| dir.split(',').any(|known| known == name)));
        let mut found = false;
        for (dir, place) in record.dirs.iter_mut().filter(|(dir, _)| names(dir)) {
            *place = place.join(inside);
            found = true;
            if !place.is_dir() {
                return refuse(&format!("there is no cgroup {} for {dir}", place.display()));
            }
        }
        if !found {
            return refuse("there is no such controller");
        }
    }
    Ok(record)
}
