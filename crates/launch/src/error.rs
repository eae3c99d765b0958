//! What can go wrong in the parent. Each message names the act and the object; the binary prints it once.

use nix::errno::Errno;
use skiff_sys::errno_text;
use std::fmt;

/// An error of a launch, or of what is done to a launched container.
#[derive(Debug)]
pub enum Error {
    /// The state directory.
    State(skiff_state::Error),
    /// What was asked for cannot be decided on.
    Plan(skiff_plan::Error),
    /// The control group.
    Cgroup(skiff_cgroup::Error),
    /// A system call of the parent: what it did, and the kernel's answer.
    Call(String, Errno),
    /// init could not set the container up, or found the command missing or forbidden; the sentence says all.
    Init(String),
    /// init ended without a word.
    InitGone {
        /// The signal that ended it, if one did.
        signal: Option<i32>,
        /// The kernel ran out of the cgroup's memory meanwhile; `None` where that cannot be told (any more).
        out_of_memory: Option<bool>,
    },
    /// The container is in the wrong state for what was asked.
    Status(String),
    /// Several things went wrong on the way; all are told.
    Several(Vec<Error>),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::State(error) => error.fmt(f),
            Self::Plan(error) => error.fmt(f),
            Self::Cgroup(error) => error.fmt(f),
            Self::Call(act, errno) => write!(f, "{act}: {}", errno_text(*errno)),
            Self::Init(sentence) | Self::Status(sentence) => f.write_str(sentence),
            Self::InitGone { out_of_memory: Some(true), .. } => {
                f.write_str("container init was killed: out of memory (linux.resources.memory.limit is too low)")
            }
            Self::InitGone { signal: Some(libc::SIGKILL), out_of_memory: None } => {
                f.write_str("container init was killed by signal 9 (out of memory?)")
            }
            Self::InitGone { signal: Some(signal), .. } => write!(f, "container init was killed by signal {signal}"),
            Self::InitGone { .. } => f.write_str("container init ended before it was ready"),
            Self::Several(errors) => {
                for (at, error) in errors.iter().enumerate() {
                    write!(f, "{}{error}", if at > 0 { "; " } else { "" })?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for Error {}

impl From<skiff_state::Error> for Error {
    fn from(error: skiff_state::Error) -> Self {
        Self::State(error)
    }
}

impl From<skiff_plan::Error> for Error {
    fn from(error: skiff_plan::Error) -> Self {
        Self::Plan(error)
    }
}

impl From<skiff_cgroup::Error> for Error {
    fn from(error: skiff_cgroup::Error) -> Self {
        Self::Cgroup(error)
    }
}

/// Names the act that a system call was for.
pub(crate) trait Act<T> {
    fn act(self, act: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T> Act<T> for nix::Result<T> {
    fn act(self, act: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|errno| Error::Call(act(), errno))
    }
}

impl<T> Act<T> for std::io::Result<T> {
    fn act(self, act: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|error| Error::Call(act(), error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)))
    }
}

/// One error, several, or none.
pub(crate) fn all(mut errors: Vec<Error>) -> Result<(), Error> {
    match errors.len() {
        0 => Ok(()),
        1 => Err(errors.remove(0)),
        _ => Err(Error::Several(errors)),
    }
}
