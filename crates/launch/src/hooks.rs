//! Hooks: programs of config.json that run at fixed moments of a container's life, one after the other, each with the
//! container's state on stdin. The parent runs those of the runtime's namespaces, init those of the container's.
//!
//! A hook gets descriptors 0 to 2 and nothing else of ours. What it prints is kept, up to a limit, for the error that tells
//! of its failure, and shown nowhere else, as with runc. When it has ended nobody waits for what it left in the background.

use crate::error::Error;
use crate::steps::Fault;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{pipe2, read, write};
use serde::Serialize;
use skiff_plan::{Hook, HookKind};
use skiff_state::{HookRecord, Status};
use skiff_sys::{End, Program, Spawned, Step, errno_text, spawn};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// So much of the end of what a hook printed is kept, in bytes.
const OUTPUT: usize = 4096;
/// The same where the error must fit into a packet of init's.
const OUTPUT_OF_INIT: usize = 256;

/// What a hook finds on its stdin (runtime-spec, runtime.md, "State").
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HookState<'a> {
    /// As in config.json.
    pub oci_version: &'a str,
    pub id: &'a str,
    #[serde(serialize_with = "status_name")]
    pub status: Status,
    /// As whoever runs the hook sees it; `None` of a stopped container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    #[serde(serialize_with = "path_text")]
    pub bundle: &'a Path,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: &'a BTreeMap<String, String>,
}

fn status_name<S: serde::Serializer>(status: &Status, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(status.as_str())
}

fn path_text<S: serde::Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&path.to_string_lossy())
}

impl HookState<'_> {
    /// What goes into [`Context::state`].
    pub(crate) fn json(&self) -> Vec<u8> {
        // Strings, a number and a map of strings: there is nothing that could fail.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// What all hooks of one moment share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'a> {
    /// The container's state, as [`HookState::json`] gives it.
    pub state: &'a [u8],
    /// The environment of a hook that has none of its own.
    pub env: &'a [CString],
    /// Where it starts; `None`: the working directory of whoever runs it.
    pub directory: Option<&'a Path>,
    /// Its file mode creation mask; `None`: that of whoever runs it.
    pub umask: Option<u32>,
}

/// A hook that failed.
#[derive(Debug)]
pub(crate) struct HookFailed {
    kind: HookKind,
    index: usize,
    path: PathBuf,
    why: Why,
    output: Vec<u8>,
}

#[derive(Debug)]
enum Why {
    /// A call of ours.
    Call(&'static str, Errno),
    Directory(Errno),
    Execute(Errno),
    Ended(End),
    /// Seconds.
    Late(u32),
}

impl Why {
    fn call(act: &'static str) -> impl Fn(Errno) -> Self {
        move |errno| Self::Call(act, errno)
    }
}

impl HookFailed {
    /// The words up to the number are runc's, and what its tests look for.
    fn text(&self, output: usize) -> String {
        let path = self.path.display();
        let why = match self.why {
            Why::Call(act, errno) => format!("{act}: {}", errno_text(errno)),
            Why::Directory(errno) => format!("change to its working directory: {}", errno_text(errno)),
            Why::Execute(errno) => format!("exec: {}", errno_text(errno)),
            Why::Ended(End::Exited(code)) => format!("exit code {code}"),
            Why::Ended(End::Killed(signal)) => format!("killed by signal {signal}"),
            Why::Late(seconds) => format!("killed after its timeout of {seconds} s"),
        };
        let said = &self.output[self.output.len().saturating_sub(output)..];
        let said = String::from_utf8_lossy(said);
        let said = said.trim();
        let colon = if said.is_empty() { "" } else { ": " };
        format!("error running {} hook #{}: {path}: {why}{colon}{said}", self.kind, self.index)
    }
}

impl fmt::Display for HookFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(OUTPUT))
    }
}

impl From<HookFailed> for Error {
    fn from(failed: HookFailed) -> Self {
        Self::Status(failed.to_string())
    }
}

impl From<HookFailed> for Fault {
    fn from(failed: HookFailed) -> Self {
        Self::new(Errno::UnknownErrno, failed.text(OUTPUT_OF_INIT))
    }
}

/// Runs the hooks in their order, up to the first one that fails.
///
/// # Errors
/// It could not be executed, did not exit with 0, or took longer than its timeout.
pub(crate) fn run(hooks: &[Hook], context: &Context<'_>) -> Result<(), HookFailed> {
    hooks.iter().try_for_each(|hook| run_one(hook, context))
}

/// Runs one hook, for those moments where the next ones run whatever it does.
pub(crate) fn run_one(hook: &Hook, context: &Context<'_>) -> Result<(), HookFailed> {
    let mut output = Vec::new();
    execute(hook, context, &mut output).map_err(|why| HookFailed {
        kind: hook.kind,
        index: hook.index,
        path: hook.path.clone(),
        why,
        output,
    })
}

fn execute(hook: &Hook, context: &Context<'_>, output: &mut Vec<u8>) -> Result<(), Why> {
    // Where the caller of the runtime ignores it, the kernel would reap the hook before we see how it ended.
    skiff_sys::reset_dispositions(1 << (libc::SIGCHLD - 1)).map_err(Why::call("reset SIGCHLD"))?;
    let (mut streams, child_output) = Streams::new(context.state).map_err(Why::call("make pipes"))?;
    let spawned = start(hook, context, &streams, &child_output)?;
    drop(child_output);
    let late = streams.relay(&spawned, hook.timeout, output)?;
    let end = spawned.wait().map_err(Why::call("wait for it"))?;
    streams.take_rest(output);
    match spawned.failure().map_err(Why::call("ask whether it was executed"))? {
        _ if late => Err(Why::Late(hook.timeout.unwrap_or(0))),
        Some((Step::Execute, errno)) => Err(Why::Execute(errno)),
        Some((Step::Directory, errno)) => Err(Why::Directory(errno)),
        Some((Step::Prepare, errno)) => Err(Why::Call("prepare it", errno)),
        None if end == End::Exited(0) => Ok(()),
        None => Err(Why::Ended(end)),
    }
}

fn start(hook: &Hook, context: &Context<'_>, streams: &Streams<'_>, output: &OwnedFd) -> Result<Spawned, Why> {
    let c_path = |path: &Path| CString::new(path.as_os_str().as_bytes()).map_err(|_| Why::Call("start it", Errno::EINVAL));
    let directory = context.directory.map(c_path).transpose()?;
    let stdin = streams.stdin.as_ref().ok_or(Why::Call("start it", Errno::EBADF))?;
    let program = Program {
        path: &c_path(&hook.path)?,
        args: &hook.args,
        env: hook.env.as_deref().unwrap_or(context.env),
        directory: directory.as_deref(),
        umask: context.umask,
        stdin: stdin.reader.as_fd(),
        output: output.as_fd(),
    };
    spawn(&program).map_err(Why::call("start it"))
}

/// Our ends of a hook's descriptors.
struct Streams<'a> {
    /// Until all is written.
    stdin: Option<Stdin<'a>>,
    /// Until end of file.
    output: Option<OwnedFd>,
}

/// The hook's end stays open here as long as we write: a hook that does not read its stdin must not cost us SIGPIPE.
struct Stdin<'a> {
    reader: OwnedFd,
    writer: OwnedFd,
    rest: &'a [u8],
}

impl<'a> Streams<'a> {
    /// The second one is the end of the pipe that the hook writes to.
    fn new(state: &'a [u8]) -> nix::Result<(Self, OwnedFd)> {
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC)?;
        let (output, child_output) = pipe2(OFlag::O_CLOEXEC)?;
        fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        fcntl(&output, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        Ok((Self { stdin: Some(Stdin { reader, writer, rest: state }), output: Some(output) }, child_output))
    }

    /// Serves the hook until it has ended; true: it took too long and was killed.
    fn relay(&mut self, hook: &Spawned, timeout: Option<u32>, output: &mut Vec<u8>) -> Result<bool, Why> {
        let deadline = timeout.map(|seconds| Instant::now() + Duration::from_secs(seconds.into()));
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                // Not reaped yet, so the pid is still its own.
                kill(hook.pid, Signal::SIGKILL).map_err(Why::call("kill it after its timeout"))?;
                return Ok(true);
            }
            self.feed();
            self.take(output);
            match self.ended(hook, left) {
                Ok(true) => return Ok(false),
                Ok(false) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(Why::Call("wait for it", errno)),
            }
        }
    }

    /// Waits until something happens: is it the hook's end?
    fn ended(&self, hook: &Spawned, left: Option<Duration>) -> nix::Result<bool> {
        let mut fds = vec![PollFd::new(hook.pidfd.as_fd(), PollFlags::POLLIN)];
        fds.extend(self.output.as_ref().map(|output| PollFd::new(output.as_fd(), PollFlags::POLLIN)));
        fds.extend(self.stdin.as_ref().map(|stdin| PollFd::new(stdin.writer.as_fd(), PollFlags::POLLOUT)));
        poll(&mut fds, timeout(left))?;
        Ok(fds[0].any() == Some(true))
    }

    /// Writes what fits; end of file when that was all.
    fn feed(&mut self) {
        let Some(stdin) = &mut self.stdin else { return };
        match write(&stdin.writer, stdin.rest) {
            Ok(written) => stdin.rest = &stdin.rest[written..],
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            // Nobody else can have closed the pipe; whatever it is, the hook shall not wait for more.
            Err(_) => stdin.rest = &[],
        }
        if stdin.rest.is_empty() {
            self.stdin = None;
        }
    }

    /// Reads once what is there.
    fn take(&mut self, output: &mut Vec<u8>) -> bool {
        let mut buffer = [0; OUTPUT];
        let Some(pipe) = &self.output else { return false };
        match read(pipe, &mut buffer) {
            Ok(length @ 1..) => {
                output.extend_from_slice(&buffer[..length]);
                output.drain(..output.len().saturating_sub(OUTPUT));
                return true;
            }
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            _ => self.output = None,
        }
        false
    }

    /// What the hook wrote right before its end. What it left in the background may write for ever.
    fn take_rest(&mut self, output: &mut Vec<u8>) {
        const PIPE: usize = 1 << 20;
        let mut reads = PIPE / OUTPUT;
        while reads > 0 && self.take(output) {
            reads -= 1;
        }
    }
}

/// Rounded up, or the last millisecond would be spent spinning.
fn timeout(left: Option<Duration>) -> PollTimeout {
    let Some(left) = left else { return PollTimeout::NONE };
    let milliseconds = i32::try_from(left.as_millis() + 1).unwrap_or(i32::MAX);
    PollTimeout::try_from(milliseconds).unwrap_or(PollTimeout::MAX)
}

/// The runtime's own environment, which its hooks get where they have none. The twin that runs from a protected copy has
/// only what it needs of its caller's.
pub(crate) fn own_environment() -> Vec<CString> {
    let entry = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        CString::new([name.into_vec(), b"=".to_vec(), value.into_vec()].concat()).ok()
    };
    std::env::vars_os().filter(|(name, _)| !name.as_bytes().starts_with(b"SKIFF_")).filter_map(entry).collect()
}

/// Hooks as the state record keeps them.
pub(crate) fn to_records(hooks: &[Hook]) -> Vec<HookRecord> {
    let texts = |strings: &[CString]| strings.iter().map(|string| string.to_string_lossy().into_owned()).collect();
    let record = |hook: &Hook| HookRecord {
        path: hook.path.clone(),
        args: texts(&hook.args),
        env: hook.env.as_deref().map(texts),
        timeout: hook.timeout,
    };
    hooks.iter().map(record).collect()
}

/// Hooks from the state record, where they are in the order of config.json.
///
/// # Errors
/// A string in it holds a null byte: somebody else wrote the record.
pub(crate) fn from_records(kind: HookKind, records: &[HookRecord]) -> Result<Vec<Hook>, Error> {
    let texts = |texts: &[String]| -> Result<Vec<CString>, std::ffi::NulError> {
        texts.iter().map(|text| CString::new(text.as_str())).collect()
    };
    let hook = |(index, record): (usize, &HookRecord)| -> Result<Hook, std::ffi::NulError> {
        let env = record.env.as_deref().map(texts).transpose()?;
        Ok(Hook { kind, index, path: record.path.clone(), args: texts(&record.args)?, env, timeout: record.timeout })
    };
    let hooks: Result<_, _> = records.iter().enumerate().map(hook).collect();
    hooks.map_err(|_| Error::Status(format!("state record: {kind} hooks: contains a null byte")))
}

#[cfg(test)]
#[path = "hooks_tests.rs"]
mod tests;
