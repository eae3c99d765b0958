//! The parent's side of the talk with a process on its way into a container, the same for create and exec: docs/protocol.md.

use crate::error::{Act, Error};
use crate::handler::Engine;
use crate::process::{Child, signal_of};
use crate::steps::sentence;
use crate::sync::{FromInit, FromParent, Sync};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use skiff_cgroup::Cgroup;
use skiff_plan::{InitOp, Process};
use skiff_sys::SharedProgram;
use std::os::fd::{AsFd, OwnedFd};

/// Who is talked to, and what it was cloned for.
pub(crate) struct Talk<'a> {
    pub sync: &'a Sync,
    /// The process. One that says that it has cloned another is exchanged for that.
    pub child: &'a mut Child,
    pub cgroup: &'a Cgroup,
    pub process: &'a Process,
    /// Who has compiled code.
    pub engine: Option<&'a dyn Engine>,
    /// The steps that it walks, for the sentence about one that fails.
    pub ops: &'a [InitOp],
}

impl Talk<'_> {
    /// Waits for the one that is meant, where the process first cloned is only in between.
    pub(crate) fn until_cloned(&mut self) -> Result<(), Error> {
        self.until_word_or_end()?;
        match self.hear()? {
            FromInit::Cloned(child) => {
                let between = std::mem::replace(self.child, child);
                between.reap().act(|| "wait for the process in between".into()).map(drop)
            }
            _ => Err(Error::Call("hear from init".into(), Errno::EPROTO)),
        }
    }

    /// One that is killed when it has cloned the other leaves that behind with the socket open, so that its end must show
    /// elsewhere.
    fn until_word_or_end(&self) -> Result<(), Error> {
        let word = || PollFd::new(self.sync.0.as_fd(), PollFlags::POLLIN);
        let mut fds = [word(), PollFd::new(self.child.pidfd.as_fd(), PollFlags::POLLIN)];
        while let Err(errno) = poll(&mut fds, PollTimeout::NONE) {
            if errno != Errno::EINTR {
                return Err(Error::Call("wait for init".into(), errno));
            }
        }
        // What it has said before its end has arrived by now, though it may not have when the kernel looked.
        match poll(&mut [word()], PollTimeout::ZERO) {
            Ok(0) => Err(self.gone()),
            _ => Ok(()),
        }
    }

    /// Waits until it has done everything that can fail, runs `hooks` with its pid when they are due, and sets its resource
    /// limits: earlier, a small one would fail its own opens.
    pub(crate) fn until_ready(&mut self, hooks: &mut dyn FnMut(u32) -> Result<(), Error>) -> Result<(), Error> {
        loop {
            match self.hear_readiness()? {
                FromInit::RootReady => {
                    hooks(self.child.number())?;
                    self.tell(FromParent::HooksDone)?;
                }
                FromInit::Module(digest, file) => self.tell_compiled(digest, file)?,
                _ => break,
            }
        }
        for limit in &self.process.rlimits {
            match skiff_sys::set_rlimit(self.child.pid.as_raw(), limit.resource, limit.soft, limit.hard) {
                // Another user's process and no CAP_SYS_RESOURCE: then it lowers its own.
                Err(Errno::EPERM) => {
                    self.tell(FromParent::LimitYourself)?;
                    return self.hear_readiness().map(drop);
                }
                other => other.act(|| format!("process.rlimits: set {} to {}:{}", limit.name, limit.soft, limit.hard))?,
            }
        }
        Ok(())
    }

    /// Compiles the process' seccomp profile, if it has one, while it is busy, and tells it.
    pub(crate) fn hand_over(&self, program: Option<&mut SharedProgram>) -> Result<(), Error> {
        let (Some(profile), Some(program)) = (&self.process.seccomp, program) else { return Ok(()) };
        let code = profile.compile().map_err(|error| Error::Status(error.to_string()))?;
        let length = program.store(&code).act(|| "linux.seccomp: hand over the program".into())?;
        self.tell(FromParent::SeccompReady(length))
    }

    /// Says something on the way to readiness. One that is gone already has told why: that is heard next.
    pub(crate) fn tell(&self, message: FromParent) -> Result<(), Error> {
        match self.sync.tell_init(message) {
            Err(Errno::EPIPE) => Ok(()),
            other => other.act(|| "talk to init".into()),
        }
    }

    fn tell_compiled(&self, digest: [u8; 32], module: OwnedFd) -> Result<(), Error> {
        let code = self.engine.and_then(|engine| engine.compiled(digest, module));
        match self.sync.tell_compiled(code.as_ref()) {
            Err(Errno::EPIPE) => Ok(()),
            other => other.act(|| "talk to init".into()),
        }
    }

    fn hear_readiness(&self) -> Result<FromInit, Error> {
        match self.hear()? {
            message @ (FromInit::Ready | FromInit::RootReady | FromInit::Module(..)) => Ok(message),
            _ => Err(Error::Call("hear from init".into(), Errno::EPROTO)),
        }
    }

    /// What it says next, unless that is that it failed.
    fn hear(&self) -> Result<FromInit, Error> {
        match self.sync.hear_init().act(|| "hear from init".into())? {
            Some(FromInit::Failed(failure)) => Err(Error::Init(sentence(self.ops, failure.step, &failure.fault))),
            Some(other) => Ok(other),
            None => Err(self.gone()),
        }
    }

    /// It ended without saying why.
    pub(crate) fn gone(&self) -> Error {
        // Asked before it is reaped: systemd removes a cgroup as soon as it is empty.
        let out_of_memory = self.cgroup.oom_kills().map(|kills| kills > 0);
        let signal = self.child.reap().ok().and_then(signal_of);
        Error::InitGone { signal, out_of_memory }
    }
}

/// Writes the score, from outside: a process in a user namespace may not.
pub(crate) fn set_oom_score_adj(child: &Child, process: &Process) -> Result<(), Error> {
    let Some(score) = process.oom_score_adj else { return Ok(()) };
    let path = format!("/proc/{}/oom_score_adj", child.pid);
    let written = std::fs::write(&path, score.to_string());
    // Lowering takes CAP_SYS_RESOURCE; not when it is the value that was inherited.
    if written.is_err() && std::fs::read_to_string(&path).is_ok_and(|old| old.trim() == score.to_string()) {
        return Ok(());
    }
    written.act(|| format!("process.oomScoreAdj: set to {score}"))
}

/// The container's processors are its cgroup's, not those that its caller is bound to. Where that may not be said, it stays so.
pub(crate) fn run_anywhere(child: &Child) {
    let _ = skiff_sys::run_anywhere(child.pid);
}
