//! The monitor: has the caller's rights, and nothing of the caller's else. Copies the module, starts the worker, ends it at the
//! limit, checks what it made, and puts that into the cache.

use super::sandbox::{self, Job, Worker};
use super::{Error, Limits, PHASES, Request, cgroup, host, ids, section};
use crate::cache::{Lock, sum};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::stat::{SFlag, fstat};
use nix::sys::time::{TimeVal, TimeValLike};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{pipe2, read};
use skiff_cgroup::Cgroup;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// Seconds for reading the module: its file may be on a filesystem that the container itself serves.
const READING: libc::c_uint = 60;
/// Of what the worker says, as much is passed on.
const LONGEST: usize = 200;
/// Of what it says, as much is read at all.
const HEARD: usize = 2048;
const DONE: u8 = b'+';
const FAILED: u8 = b'-';

/// To whoever waits.
pub(super) struct Report(Option<OwnedFd>);

impl Report {
    pub(super) fn is_phase(byte: u8) -> bool {
        (1..=PHASES.len() as u8).contains(&byte)
    }

    fn say(&self, bytes: &[u8]) {
        if let Some(pipe) = &self.0 {
            let _ = nix::unistd::write(pipe, bytes);
        }
    }
}

/// What the end of a report says.
pub(super) fn verdict(said: &[u8]) -> Result<(), Error> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match said {
        [DONE, ..] => Ok(()),
        [FAILED, b'm', reason @ ..] => Err(Error::Module(text(reason))),
        [FAILED, _, reason @ ..] => Err(Error::Host(text(reason))),
        _ => Err(Error::Host("it ended without a word".into())),
    }
}

/// The whole life of the monitor.
pub(super) fn run(request: &Request, module: OwnedFd, report: Option<OwnedFd>) {
    let report = Report(report);
    match compile(request, module, &report) {
        Ok(()) => report.say(&[DONE]),
        Err(error) => {
            let (kind, reason) = match &error {
                Error::Module(reason) => (b'm', reason),
                Error::Host(reason) => (b'h', reason),
            };
            if kind == b'm' {
                let _ = request.cache.note_failure(&request.key, reason);
            }
            report.say(&[&[FAILED, kind], reason.as_bytes()].concat());
        }
    }
}

fn compile(request: &Request, module: OwnedFd, report: &Report) -> Result<(), Error> {
    let cache = |error: crate::cache::Error| Error::Host(error.to_string());
    let Some(_locks) = right(request, report)? else { return Ok(()) };
    let module = read_module(request, module)?;
    let _slot = request.cache.slot(request.limits.parallel, report.0.is_some(), &request.key).map_err(cache)?;
    let clean = section::without_code(&module).ok_or_else(|| Error::Module("its sections do not add up".into()))?;
    let output = translate(request, &clean, report)?;
    let code = section::added(&clean, &output)
        .ok_or_else(|| Error::Module("what the compiler made is not this module with native code".into()))?;
    if request.limits.cache < code.len() as u64 {
        return Err(Error::Module("its code is larger than the cache".into()));
    }
    request.cache.insert(&request.key, code).map_err(cache)?;
    request.cache.prune(request.limits.cache, &request.key.maker, false).map_err(cache).map(drop)
}

/// A copy that nobody can change any more, of the module that the key is for: the container can write the file, which is closed.
fn read_module(request: &Request, module: OwnedFd) -> Result<Vec<u8>, Error> {
    let stat = fstat(&module).map_err(host("look at the module"))?;
    if SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT != SFlag::S_IFREG {
        return Err(Error::Host("the module is no regular file".into()));
    }
    let most = request.limits.module;
    if stat.st_size as u64 > most {
        return Err(Error::Module(format!("it has {} bytes, of {most} at most", stat.st_size)));
    }
    nix::unistd::alarm::set(READING);
    let mut file = File::from(module);
    let mut bytes = Vec::new();
    let read = file.rewind().and_then(|()| file.take(most).read_to_end(&mut bytes));
    nix::unistd::alarm::cancel();
    read.map_err(|error| Error::Host(format!("read the module: {error}")))?;
    if sum(&bytes) == request.key.module { Ok(bytes) } else { Err(Error::Host("the module has changed meanwhile".into())) }
}

/// The right to compile this module, and where nobody waits for it, a place in the queue; `None`: it has been done, or somebody
/// does it, or the queue is full, and the module's next start will ask again.
fn right(request: &Request, report: &Report) -> Result<Option<(Lock, Option<Lock>)>, Error> {
    let cache = |error: crate::cache::Error| Error::Host(error.to_string());
    let is_awaited = report.0.is_some();
    let Some(own) = request.cache.lock(&request.key, is_awaited).map_err(cache)? else { return Ok(None) };
    if request.cache.lookup(&request.key).is_some() {
        return Ok(None);
    }
    if let Some(reason) = request.cache.failure(&request.key).filter(|_| !request.again) {
        return Err(Error::Module(reason));
    }
    let place = if is_awaited { None } else { request.cache.place().map_err(cache)? };
    Ok((is_awaited || place.is_some()).then_some((own, place)))
}

/// The worker's output, from a worker that has ended.
fn translate(request: &Request, module: &[u8], report: &Report) -> Result<Vec<u8>, Error> {
    let input = memory(c"module")?;
    (&mut &*input).write_all(module).map_err(|error| Error::Host(format!("copy the module: {error}")))?;
    seal(&input)?;
    let mut source = &*input;
    source.rewind().map_err(|error| Error::Host(format!("copy the module: {error}")))?;
    let result = memory(c"code")?;
    let (hear, say) = pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(host("make a pipe"))?;
    let job = Job {
        tools: &request.tools,
        limits: &request.limits,
        optimise: request.key.maker.optimise,
        module: input.as_fd(),
        result: result.as_fd(),
        speech: say.as_fd(),
    };
    let worker = sandbox::start(&job)?;
    let cgroup = cgroup::make(&request.key, &request.limits, report.0.is_none());
    drop(say);
    let mut ear = Ear { pipe: hear, heard: Vec::new() };
    let ended = oversee(&worker, cgroup.as_ref(), &request.limits, &mut ear, report);
    let ended = ended.and_then(|ended| explain(ended, cgroup.as_ref(), ear, &request.limits));
    if let Some(cgroup) = cgroup {
        let _ = cgroup.remove();
    }
    ended?;
    seal(&result)?;
    let mut output = Vec::new();
    (&mut &*result)
        .rewind()
        .and_then(|()| (&*result).take(request.limits.result).read_to_end(&mut output))
        .map_err(|error| Error::Host(format!("read the result: {error}")))?;
    Ok(output)
}

fn memory(name: &std::ffi::CStr) -> Result<Box<File>, Error> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    memfd_create(name, flags).map(|fd| Box::new(File::from(fd))).map_err(host("make a file in memory"))
}

fn seal(file: &File) -> Result<(), Error> {
    let seals = SealFlag::F_SEAL_SEAL | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE;
    fcntl(file, FcntlArg::F_ADD_SEALS(seals)).map(drop).map_err(host("seal a file in memory"))
}

/// How a worker ended.
enum Ended {
    Itself(WaitStatus),
    /// At the limit.
    Late,
    /// At the limit, while others had the processor: that says nothing of the module.
    Starved,
    /// Because nobody waits for it any more.
    Unwanted,
}

/// Lets the worker go, and waits for its end, which comes at the limit at the latest, or when whoever waits for it has gone.
fn oversee(worker: &Worker, cgroup: Option<&Cgroup>, limits: &Limits, ear: &mut Ear, report: &Report) -> Result<Ended, Error> {
    let ready = ids::map(worker.pid.as_raw()).and_then(|()| place(worker, cgroup)).and_then(|()| worker.go());
    let early = match &ready {
        Ok(()) => wait(worker, limits, ear, report)?,
        Err(_) => Some(Ended::Unwanted),
    };
    if early.is_some() {
        let _ = skiff_sys::pidfd_send_signal(worker.pidfd.as_fd(), libc::SIGKILL);
    }
    let status = loop {
        match waitpid(worker.pid, Some(WaitPidFlag::__WALL)) {
            Err(Errno::EINTR) => {}
            other => break other.map_err(host("wait for the compiler"))?,
        }
    };
    ready?;
    Ok(match early {
        Some(Ended::Late) if report.0.is_none() && processor_time() < limits.time / 2 => Ended::Starved,
        early => early.unwrap_or(Ended::Itself(status)),
    })
}

/// What children have had of the processor; there was one.
fn processor_time() -> Duration {
    let spent = |value: TimeVal| Duration::from_micros(u64::try_from(value.num_microseconds()).unwrap_or(0));
    getrusage(UsageWho::RUSAGE_CHILDREN).map_or(Duration::MAX, |usage| spent(usage.user_time()) + spent(usage.system_time()))
}

fn place(worker: &Worker, cgroup: Option<&Cgroup>) -> Result<(), Error> {
    let pid = worker.pid.as_raw();
    // The first to go when memory is short. A process may always volunteer.
    let _ = std::fs::write(format!("/proc/{pid}/oom_score_adj"), "1000");
    cgroup.map_or(Ok(()), |cgroup| cgroup.place(pid.unsigned_abs())).map_err(|error| Error::Host(error.to_string()))
}

/// Why the worker has to be ended; `None`: it has ended.
fn wait(worker: &Worker, limits: &Limits, ear: &mut Ear, report: &Report) -> Result<Option<Ended>, Error> {
    let until = Instant::now() + limits.time;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(Some(Ended::Late));
        }
        let mut watched = vec![PollFd::new(worker.pidfd.as_fd(), PollFlags::POLLIN)];
        // Once it says no more than it should, or has closed its end, only its own end counts.
        let listens = ear.heard.len() < HEARD;
        watched.extend(listens.then(|| PollFd::new(ear.pipe.as_fd(), PollFlags::POLLIN)));
        // An end of a pipe without a reader is an error, which is always told.
        watched.extend(report.0.as_ref().map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::empty())));
        match poll(&mut watched, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(host("wait for the compiler")(errno)),
        }
        let is_set = |at: usize| watched.get(at).and_then(PollFd::any).unwrap_or(false);
        if is_set(0) {
            return Ok(None);
        }
        if report.0.is_some() && is_set(watched.len() - 1) {
            return Ok(Some(Ended::Unwanted));
        }
        if listens && is_set(1) {
            ear.listen(report);
        }
    }
}

/// What the worker says: phases, and last words. It may be an enemy's.
struct Ear {
    pipe: OwnedFd,
    heard: Vec<u8>,
}

impl Ear {
    fn listen(&mut self, report: &Report) {
        let mut part = [0; 256];
        match read(&self.pipe, &mut part) {
            Err(Errno::EINTR) => {}
            Ok(length) if length > 0 => {
                part[..length].iter().filter(|byte| Report::is_phase(**byte)).for_each(|byte| report.say(&[*byte]));
                self.heard.extend(&part[..length]);
            }
            _ => self.heard.resize(HEARD, 0),
        }
    }

    fn last_words(mut self) -> String {
        let mut rest = [0; 1024];
        let length = read(&self.pipe, &mut rest).unwrap_or(0);
        self.heard.extend(&rest[..length]);
        let printable = self.heard.iter().filter(|byte| (0x20..0x7f).contains(*byte)).take(LONGEST);
        let text: String = printable.map(|&byte| char::from(byte)).collect();
        if text.is_empty() { "the compiler failed without a word".into() } else { text }
    }
}

fn explain(ended: Ended, cgroup: Option<&Cgroup>, ear: Ear, limits: &Limits) -> Result<(), Error> {
    let memory = || Error::Module(format!("it takes more memory than {} bytes", limits.memory));
    match ended {
        Ended::Itself(WaitStatus::Exited(_, 0)) => Ok(()),
        Ended::Unwanted => Err(Error::Host("nobody waits for it any more".into())),
        Ended::Starved => Err(Error::Host("it did not get the processor in time".into())),
        Ended::Late => Err(Error::Module(format!("it takes longer than {} seconds", limits.time.as_secs()))),
        Ended::Itself(_) if cgroup.and_then(Cgroup::oom_kills).is_some_and(|kills| kills > 0) => Err(memory()),
        Ended::Itself(WaitStatus::Exited(_, sandbox::SET_UP)) => Err(Error::Host(ear.last_words())),
        // The engine's heap is at its end, or LLVM's.
        Ended::Itself(WaitStatus::Exited(_, 134) | WaitStatus::Signaled(_, nix::sys::signal::Signal::SIGABRT, _)) => {
            Err(memory())
        }
        Ended::Itself(WaitStatus::Exited(_, _)) => Err(Error::Module(ear.last_words())),
        Ended::Itself(WaitStatus::Signaled(_, signal, _)) => Err(Error::Module(format!("the compiler was ended by {signal}"))),
        Ended::Itself(_) => Err(Error::Host("the compiler ended in an unknown way".into())),
    }
}
