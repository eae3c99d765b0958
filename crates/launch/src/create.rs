//! `create`: the parent's side. State first, then the cgroup, then the clone; what follows is said in docs/protocol.md. A
//! failure on the way undoes what was done.

use crate::error::{Act, Error};
use crate::handler::{Handler, handler};
use crate::init::{self, Start, check_preserved};
use crate::pid_file;
use crate::process::{Child, signal_of};
use crate::steps::sentence;
use crate::sync::{self, FromInit, FromParent, Sync};
use nix::errno::Errno;
use nix::sched::CloneFlags;
use skiff_cgroup::Cgroup;
use skiff_plan::{HostFacts, Plan};
use skiff_state::{Init, Lock, RECORD_VERSION, Record, StateDir, Store, now_rfc3339_nano, start_time};
use skiff_sys::{Clone3, Cloned, clone3};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
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
    /// How many descriptors from 3 on the container keeps.
    pub preserve_fds: u32,
}

/// A created container, as the process that made it knows it.
#[derive(Debug)]
pub struct Created {
    /// Its state directory.
    pub dir: StateDir,
    /// What is recorded there.
    pub record: Record,
    pub(crate) init: Child,
}

/// Makes the container up to the point where `start` only has to say go.
///
/// # Errors
/// Whatever stands in the way; nothing is left behind then.
pub fn create(request: &Request<'_>) -> Result<Created, Error> {
    check_preserved(request.preserve_fds)
        .map_err(|fd| Error::Status(format!("--preserve-fds {}: descriptor {fd} is not open", request.preserve_fds)))?;
    // With SIGCHLD ignored, as some callers leave it, the kernel would reap init before we see how it ended.
    skiff_sys::reset_dispositions(request.facts.ignored_signals & 1 << (libc::SIGCHLD - 1)).act(|| "reset SIGCHLD".into())?;
    let mut handler = handler(request.plan.handler)
        .ok_or_else(|| Error::Status("this build has no WebAssembly engine: use a native command".into()))?;
    let dir = request.store.create(request.id)?;
    let mut attempt = Attempt { dir, record: record(request), cgroup: None, init: None };
    match attempt.create(request, handler.as_mut()) {
        Ok(()) => attempt.finish(),
        Err(error) => Err(attempt.undo(error)),
    }
}

/// What exists so far.
struct Attempt {
    dir: StateDir,
    record: Record,
    cgroup: Option<Cgroup>,
    init: Option<Child>,
}

impl Attempt {
    fn create(&mut self, request: &Request<'_>, handler: &mut dyn Handler) -> Result<(), Error> {
        let lock = self.dir.lock()?;
        self.dir.save(&self.record)?;
        let fifo = self.dir.make_fifo()?;
        self.cgroup = Some(Cgroup::create(&request.plan.cgroup)?);
        let sync = self.spawn(request, handler, fifo, &lock)?;
        self.until_ready(request, &sync)?;
        self.record(request)?;
        sync.tell_init(FromParent::Committed).act(|| "tell init that it is created".into())
    }

    /// The clone, and what init needs from outside before it can begin. Returns the parent's end of the socket.
    fn spawn(&mut self, request: &Request<'_>, handler: &mut dyn Handler, fifo: OwnedFd, lock: &Lock) -> Result<Sync, Error> {
        let (ours, inits) = sync::pair().act(|| "make a socket pair".into())?;
        let (cloned, way) = self.clone_init(request).act(|| "clone init".into())?;
        let (pid, pidfd) = match cloned {
            Cloned::Parent { pid, pidfd } => (pid, pidfd),
            Cloned::Child => {
                // The parent's death must show as end of file, and an inherited lock would block start for ever.
                for fd in [ours.0.as_raw_fd(), lock.as_fd().as_raw_fd()] {
                    let _ = skiff_sys::close_range(fd.unsigned_abs(), fd.unsigned_abs());
                }
                init::run(Start {
                    plan: request.plan,
                    facts: request.facts,
                    sync: inits,
                    fifo,
                    keep_fds: request.preserve_fds,
                    late: way.late,
                    wait_placed: way.place,
                    handler,
                })
            }
        };
        let child = self.init.insert(Child { pid, pidfd });
        if let Some(score) = request.plan.process.oom_score_adj {
            set_oom_score_adj(child.number(), score)?;
        }
        if let (true, Some(cgroup)) = (way.place, &self.cgroup) {
            cgroup.place(child.number())?;
            // An init that is gone already tells why itself.
            let _ = ours.tell_init(FromParent::Placed);
        }
        Ok(ours)
    }

    /// One clone into all namespaces, and into the cgroup where the kernel can.
    fn clone_init(&self, request: &Request<'_>) -> nix::Result<(Cloned, Way)> {
        // Handlers of ours mean nothing in init; a wasm handler, which never executes, would keep them.
        let flags = request.plan.new_namespaces | CLONE_CLEAR_SIGHAND;
        let clone = |flags, cgroup| clone3(Clone3 { flags, exit_signal: libc::SIGCHLD, cgroup });
        if let Some(cgroup) = self.cgroup.as_ref().and_then(Cgroup::dir_fd) {
            match clone(flags, Some(cgroup)) {
                Err(Errno::EBUSY | Errno::EACCES | Errno::EOPNOTSUPP | Errno::ENOSYS) => {}
                other => return Ok((other?, Way::default())),
            }
        }
        // A cgroup namespace made before init is placed would have the runtime's own cgroup as its root.
        let late = CloneFlags::from_bits_truncate(flags as i32) & CloneFlags::CLONE_NEWCGROUP;
        let cloned = clone(flags & !(libc::CLONE_NEWCGROUP as u64), None)?;
        Ok((cloned, Way { place: true, late }))
    }

    /// Waits until init has done everything that can fail, and sets its resource limits.
    fn until_ready(&self, request: &Request<'_>, sync: &Sync) -> Result<(), Error> {
        self.hear_ready(request, sync)?;
        let Some(init) = &self.init else { return Ok(()) };
        for limit in &request.plan.process.rlimits {
            match skiff_sys::set_rlimit(init.pid.as_raw(), limit.resource, limit.soft, limit.hard) {
                // Another user's process and no CAP_SYS_RESOURCE: then init lowers its own.
                Err(Errno::EPERM) => {
                    sync.tell_init(FromParent::LimitYourself).act(|| "tell init to set its limits".into())?;
                    return self.hear_ready(request, sync);
                }
                other => other.act(|| format!("process.rlimits: set {} to {}:{}", limit.name, limit.soft, limit.hard))?,
            }
        }
        Ok(())
    }

    fn hear_ready(&self, request: &Request<'_>, sync: &Sync) -> Result<(), Error> {
        match sync.hear_init().act(|| "hear from init".into())? {
            Some(FromInit::Ready) => Ok(()),
            Some(FromInit::Failed(failure)) => Err(Error::Init(sentence(request.plan, failure.step, &failure.fault))),
            None => Err(self.init_gone()),
        }
    }

    /// init ended without saying why.
    fn init_gone(&self) -> Error {
        let status = self.init.as_ref().and_then(|init| init.reap().ok());
        let oom_kills = self.cgroup.as_ref().and_then(Cgroup::oom_kills).unwrap_or(0);
        Error::InitGone { signal: status.and_then(signal_of), out_of_memory: oom_kills > 0 }
    }

    /// From here on the container exists for every other command.
    fn record(&mut self, request: &Request<'_>) -> Result<(), Error> {
        let Some(init) = &self.init else { return Ok(()) };
        let pid = init.number();
        let Some((start_time, _)) = start_time(pid)? else { return Err(self.init_gone()) };
        self.record.init = Some(Init { pid, start_time });
        self.dir.save(&self.record)?;
        request.pid_file.map_or(Ok(()), |path| pid_file::write(path, pid))
    }

    fn finish(self) -> Result<Created, Error> {
        match self.init {
            Some(init) => Ok(Created { dir: self.dir, record: self.record, init }),
            None => Err(Error::Status("no init".into())),
        }
    }

    /// Takes everything back, and says what could not be.
    fn undo(self, error: Error) -> Error {
        let mut errors = vec![error];
        if let Some(init) = &self.init {
            init.kill();
        }
        if let Some(cgroup) = &self.cgroup {
            errors.extend(cgroup.remove().err().map(Error::from));
        }
        errors.extend(self.dir.remove().err().map(Error::from));
        match crate::error::all(errors) {
            Err(error) => error,
            Ok(()) => Error::Status("create failed".into()),
        }
    }
}

/// libc's constant of this name overflows its type.
const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;

/// How init gets into its cgroup.
struct Way {
    /// The parent places it, and says so.
    place: bool,
    /// Namespaces that init unshares only then.
    late: CloneFlags,
}

impl Default for Way {
    fn default() -> Self {
        Self { place: false, late: CloneFlags::empty() }
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
        new_pid_namespace: plan.new_namespaces & libc::CLONE_NEWPID as u64 != 0,
        init: None,
    }
}

fn set_oom_score_adj(pid: u32, score: i32) -> Result<(), Error> {
    let path = format!("/proc/{pid}/oom_score_adj");
    let written = std::fs::write(&path, score.to_string());
    // Lowering takes CAP_SYS_RESOURCE; not when it is the value that init inherited.
    if written.is_err() && std::fs::read_to_string(&path).is_ok_and(|old| old.trim() == score.to_string()) {
        return Ok(());
    }
    written.act(|| format!("process.oomScoreAdj: set to {score}"))
}
