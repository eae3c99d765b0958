//! Runs a command with all its processes under ptrace, recording each system call, and injects one fault.
//!
//! strace can inject too, but counts `when=N` for each process from its start, so that the child's calls cannot be
//! addressed where the parent's of the same name come first; and it prints every call.

use crate::fault::{Fault, Step};
use crate::{lab, registers};
use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill, raise};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use skiff_testbed::{Context, Error};
use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long a run may take before it counts as hanging: hundreds of times what it needs, also on a busy machine.
pub const HANGS_AFTER: Duration = Duration::from_secs(60);

/// The hidden argument by which this program becomes the traced command.
pub const STUB: &str = "--traced";

/// Stops until the tracer has taken hold, then becomes the command.
pub fn stub(mut args: impl Iterator<Item = OsString>) -> Result<(), Error> {
    raise(Signal::SIGSTOP).context(|| "stop".into())?;
    let program = args.next().ok_or("no command to trace")?;
    Err(Command::new(&program).args(args).exec()).context(|| format!("run {}", program.display()))
}

/// How the traced command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// By itself, with this code.
    Exited(i32),
    /// By this signal.
    Killed(Signal),
}

/// Which processes are still watched when the first one has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rest {
    /// They are let go, untraced, whatever end the first one takes, and not only after its success.
    pub always: bool,
    /// From this one on they are watched to their end.
    pub watched: usize,
}

/// What a traced run did.
#[derive(Debug)]
pub struct Run {
    /// Every system call made, in order of entry.
    pub steps: Vec<Step>,
    /// How the first process ended.
    pub ending: Ending,
    /// The fault's step was reached.
    pub injected: bool,
    /// Something was still running after `HANGS_AFTER` and was killed.
    pub hung: bool,
}

#[derive(Debug, Default)]
struct Process {
    index: usize,
    counts: HashMap<i64, u32>,
    /// The call that it is in is to return this.
    failing: Option<Errno>,
}

struct Tracer<'a> {
    fault: Option<&'a (Step, Fault)>,
    rest: Rest,
    root: Pid,
    live: HashMap<Pid, Process>,
    /// Some end before their parents are seen to have made them.
    ended: HashSet<Pid>,
    seen: usize,
    /// The stub has become the command.
    counting: bool,
    letting_go: bool,
    steps: Vec<Step>,
    injected: bool,
    ending: Option<Ending>,
    watched: Arc<Mutex<Vec<Pid>>>,
}

/// Runs `command` (this program with [`STUB`] as its first argument). Ends when every process is gone that is not let go.
pub fn run(command: &mut Command, fault: Option<&(Step, Fault)>, rest: Rest) -> Result<Run, Error> {
    let child = command.spawn().context(|| "start the traced command".into())?;
    let root = Pid::from_raw(child.id().cast_signed());
    waitpid(root, Some(WaitPidFlag::WUNTRACED)).context(|| "wait for the stub".into())?;
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_EXITKILL;
    ptrace::seize(root, options).context(|| "trace the command".into())?;
    kill(root, Signal::SIGCONT).context(|| "continue the stub".into())?;

    let watched = Arc::new(Mutex::new(vec![root]));
    let watchdog = Watchdog::start(Arc::clone(&watched));
    let mut tracer = Tracer {
        fault,
        rest,
        root,
        live: HashMap::from([(root, Process::default())]),
        ended: HashSet::new(),
        seen: 1,
        counting: false,
        letting_go: false,
        steps: Vec::new(),
        injected: false,
        ending: None,
        watched,
    };
    while !tracer.live.is_empty() {
        tracer.next_stop()?;
    }
    let ending = tracer.ending.ok_or("the traced command vanished")?;
    Ok(Run { steps: tracer.steps, ending, injected: tracer.injected, hung: watchdog.stop() })
}

impl Tracer<'_> {
    fn next_stop(&mut self) -> Result<(), Error> {
        let status = match waitpid(None, Some(WaitPidFlag::__WALL)) {
            Err(Errno::EINTR) => return Ok(()),
            other => other.context(|| "wait for the traced processes".into())?,
        };
        match status {
            WaitStatus::Exited(pid, code) => self.ended(pid, Ending::Exited(code)),
            WaitStatus::Signaled(pid, signal, _) => self.ended(pid, Ending::Killed(signal)),
            WaitStatus::PtraceSyscall(pid) => {
                self.adopt(pid);
                // ESRCH: killed while stopped; its end comes as a status of its own.
                ignore_gone(self.at_syscall(pid))?;
                self.resume(pid, None)?;
            }
            WaitStatus::PtraceEvent(pid, _, event) => {
                self.adopt(pid);
                self.at_event(pid, event);
                self.resume(pid, None)?;
            }
            WaitStatus::Stopped(pid, signal) => {
                self.adopt(pid);
                // A pid namespace's init survives even these while it is traced (kernel/signal.c, force_sig_info_to_task),
                // so abort(3) would never end.
                if matches!(signal, Signal::SIGSEGV | Signal::SIGILL | Signal::SIGBUS) {
                    ignore_gone(kill(pid, Signal::SIGKILL))?;
                }
                self.resume(pid, Some(signal))?;
            }
            _ => {}
        }
        Ok(())
    }

    fn at_event(&mut self, pid: Pid, event: i32) {
        use ptrace::Event::{PTRACE_EVENT_CLONE, PTRACE_EVENT_EXEC, PTRACE_EVENT_FORK, PTRACE_EVENT_VFORK};
        self.counting |= event == PTRACE_EVENT_EXEC as i32;
        let new = [PTRACE_EVENT_CLONE, PTRACE_EVENT_FORK, PTRACE_EVENT_VFORK].iter().any(|kind| event == *kind as i32);
        // Known from here on: its parent may be killed before its own first stop is seen.
        if let (true, Ok(child)) = (new, ptrace::getevent(pid)) {
            let child = Pid::from_raw(child as i32);
            if !self.ended.remove(&child) {
                self.adopt(child);
            }
        }
    }

    /// A child's first stop may come before its parent's clone event, so whoever is unknown is new.
    fn adopt(&mut self, pid: Pid) {
        if !self.live.contains_key(&pid) {
            self.live.insert(pid, Process { index: self.seen, ..Process::default() });
            self.seen += 1;
            self.tell_watchdog();
        }
    }

    fn ended(&mut self, pid: Pid, ending: Ending) {
        self.live.remove(&pid);
        self.ended.insert(pid);
        self.tell_watchdog();
        if pid != self.root {
            return;
        }
        self.ending = Some(ending);
        if ending == Ending::Exited(0) || self.rest.always {
            self.letting_go = true;
            for (pid, _) in self.live.iter().filter(|(_, process)| process.index < self.rest.watched) {
                // Gone, or stopped already: both show in its next status.
                let _ = ptrace::interrupt(*pid);
            }
        }
    }

    fn resume(&mut self, pid: Pid, signal: Option<Signal>) -> Result<(), Error> {
        if !self.letting_go || self.is_watched(pid) {
            return ignore_gone(ptrace::syscall(pid, signal));
        }
        self.live.remove(&pid);
        self.tell_watchdog();
        ignore_gone(ptrace::detach(pid, signal))
    }

    /// The compiler shall have only what nobody else wants, and on a busy machine would take for ever: here it gets as much as
    /// others.
    fn hurry(&mut self, pid: Pid, step: &Step) -> nix::Result<()> {
        if !self.is_watched(pid) || !registers::CAN_FAIL_CALLS {
            return Ok(());
        }
        if step.name() == "write" {
            lab::hurry(self.live.keys().copied());
        }
        match self.live.get_mut(&pid).filter(|_| step.name() == "setpriority") {
            None => Ok(()),
            Some(process) => {
                process.failing = Some(Errno::EPERM);
                registers::skip(pid)
            }
        }
    }

    fn is_watched(&self, pid: Pid) -> bool {
        self.live.get(&pid).is_some_and(|process| process.index >= self.rest.watched)
    }

    fn at_syscall(&mut self, pid: Pid) -> nix::Result<()> {
        let Some(process) = self.live.get_mut(&pid) else { return Ok(()) };
        if !self.counting {
            return Ok(());
        }
        if ptrace::syscall_info(pid)?.op == libc_op_exit() {
            return process.failing.take().map_or(Ok(()), |errno| registers::fail(pid, errno));
        }
        let number = registers::number(pid)?;
        let nth = process.counts.entry(number).or_default();
        *nth += 1;
        let step = Step { process: process.index, number, nth: *nth };
        self.steps.push(step);
        let Some((_, fault)) = self.fault.filter(|(at, _)| *at == step) else {
            return self.hurry(pid, &step);
        };
        self.injected = true;
        match fault {
            Fault::Kill => kill(pid, Signal::SIGKILL),
            Fault::Error(errno) => {
                process.failing = Some(*errno);
                if step.works_though_failing() { Ok(()) } else { registers::skip(pid) }
            }
        }
    }

    fn tell_watchdog(&self) {
        if let Ok(mut pids) = self.watched.lock() {
            *pids = self.live.keys().copied().collect();
        }
    }
}

/// `PTRACE_SYSCALL_INFO_EXIT` of ptrace(2).
const fn libc_op_exit() -> u8 {
    2
}

fn ignore_gone(result: nix::Result<()>) -> Result<(), Error> {
    match result {
        Err(Errno::ESRCH) => Ok(()),
        other => other.context(|| "control a traced process".into()),
    }
}

/// Kills what is left after `HANGS_AFTER`, so that the tracer's wait ends.
struct Watchdog {
    stop: mpsc::Sender<()>,
    thread: std::thread::JoinHandle<bool>,
}

impl Watchdog {
    fn start(watched: Arc<Mutex<Vec<Pid>>>) -> Watchdog {
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            if stopped.recv_timeout(HANGS_AFTER) != Err(RecvTimeoutError::Timeout) {
                return false;
            }
            for pid in watched.lock().map(|pids| pids.clone()).unwrap_or_default() {
                let _ = kill(pid, Signal::SIGKILL);
            }
            true
        });
        Watchdog { stop, thread }
    }

    fn stop(self) -> bool {
        // Fails when the watchdog has struck already.
        let _ = self.stop.send(());
        self.thread.join().unwrap_or(false)
    }
}
