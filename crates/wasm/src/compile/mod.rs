//! Compiling a module ahead of time, for the cache.
//!
//! A module is an enemy's bytes, and the compiler is a large C++ program. So: *the caller* forks twice and goes on ([`begin`]) or
//! waits ([`wait`]). *The monitor*, detached from everything of the caller's, copies the module, checks its digest, starts *the
//! worker* and kills it at the time limit, then checks what came out and puts it into the cache. *The worker* is the only one
//! that looks into the module: unprivileged, in namespaces, a root and a cgroup of its own ([`sandbox`]), under seccomp and
//! Landlock ([`worker`]).

mod cgroup;
mod command;
mod detach;
mod filter;
mod ids;
mod monitor;
mod progress;
mod root;
mod sandbox;
mod section;
mod tools;
pub mod worker;

pub use command::{compile, list, prune, verify};
pub use detach::{begin, wait};
pub(crate) use section::{LONGEST_NUMBER, PREAMBLE, number};
pub use section::{with_code, without_code};
pub use tools::Tools;

use crate::cache::{Cache, Key};
use skiff_sys::Args;
use std::fmt;
use std::time::Duration;

/// What WasmEdge's log says when a phase begins, and what a user reads.
const PHASES: [(&str, &str); 5] = [
    ("compile start", "translating"),
    ("verify start", "checking"),
    ("optimize start", "optimising"),
    ("codegen start", "generating code"),
    ("output start", "linking"),
];

/// What one compilation may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory.
    pub memory: u64,
    /// Of wall-clock time, from when it has its turn.
    pub time: Duration,
    /// The largest module that is tried, in bytes.
    pub module: u64,
    /// The largest result that is kept, in bytes.
    pub result: u64,
    /// What the cache may hold after it, in bytes.
    pub cache: u64,
    /// Compilations at one time, of all who use the cache; and as many for which somebody waits.
    pub parallel: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory: 2 << 30, time: Duration::from_secs(600), module: 64 << 20, result: 256 << 20, cache: 1 << 30, parallel: 1 }
    }
}

/// What to compile, for whom, and with what. The module's file goes with it, but is given back as soon as it has been read: it
/// may keep the filesystem of a container that has ended.
#[derive(Debug)]
pub struct Request {
    /// Gets the result. Neither its descriptor nor the module's may be one of 0 to 2.
    pub cache: Cache,
    /// Of the module; what does not have this digest is not compiled.
    pub key: Key,
    /// How much it may take.
    pub limits: Limits,
    /// The compiler.
    pub tools: Tools,
    /// The arguments of this program, for the monitor to replace: it has nothing to do with the container.
    pub args: Option<Args>,
    /// Try again what has failed within the last day.
    pub again: bool,
}

/// Why there is no compiled code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The module cannot be compiled within the limits; it is not tried again for a day.
    Module(String),
    /// This machine cannot, or not now.
    Host(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Module(reason) => write!(f, "compile the module: {reason}"),
            Self::Host(reason) => write!(f, "start the compiler: {reason}"),
        }
    }
}

impl std::error::Error for Error {}

/// What this machine could not do.
fn host(act: &str) -> impl Fn(nix::errno::Errno) -> Error {
    move |errno| Error::Host(format!("{act}: {}", skiff_sys::errno_text(errno)))
}
