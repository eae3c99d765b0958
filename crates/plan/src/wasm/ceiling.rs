//! What the administrator allows at most. Nothing above it is cut in silence: it is an error that names both. Parent side, pure.

use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

use super::preopen::{Allowed, Preopen};
use super::units::{Names, size_text};
use super::{Compile, Profile};

/// `wasm.ceiling` of skiff.toml; by default everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ceiling {
    /// Directories below which preopens may lie; they add up.
    pub preopens: Vec<Allowed>,
    /// WasmEdge's socket extension.
    pub sockets: bool,
    /// Variables of `process.env`.
    pub env: Names,
    /// Linear memory, bytes.
    pub max_memory: Option<u64>,
    /// Wall-clock time.
    pub max_timeout: Option<Duration>,
    /// Plugins of those in the directory.
    pub plugins: Names,
    /// A container may ask for sniffing.
    pub sniff: bool,
    /// A container may ask to be interpreted.
    pub interpret: bool,
    /// How eagerly a container may have its module compiled.
    pub compile: Compile,
}

impl Default for Ceiling {
    fn default() -> Ceiling {
        Ceiling {
            preopens: vec![Allowed { path: "/".into(), read_only: false }],
            sockets: true,
            env: Names::All,
            max_memory: None,
            max_timeout: None,
            plugins: Names::All,
            sniff: true,
            interpret: true,
            compile: Compile::BeforeStart,
        }
    }
}

impl Ceiling {
    /// The root as profile `crun` has it, as far as it is allowed: writable, read-only, or not at all.
    pub(super) fn root(&self) -> Option<Preopen> {
        [false, true].map(Preopen::root).into_iter().find(|root| self.preopen(&root.path, root.read_only).is_ok())
    }

    /// All that `crun` gives, for who asks for it by that name. The parts that are asked for in another way do not count.
    pub(super) fn profile(&self, profile: Profile, preopens: bool, sockets: bool, env: bool) -> Result<(), String> {
        let within = || {
            preopens.then(|| self.preopen(Path::new("/"), false)).transpose()?;
            sockets.then(|| self.sockets(true)).transpose()?;
            env.then(|| self.env(&Names::All)).transpose()
        };
        match profile {
            Profile::Crun => within().map(drop).map_err(|why| format!("crun: {why}")),
            Profile::Deny => Ok(()),
        }
    }

    pub(crate) fn preopen(&self, path: &Path, read_only: bool) -> Result<(), String> {
        let covered = self.preopens.iter().any(|allowed| allowed.covers(path, read_only));
        let list = self.preopens.iter().map(Allowed::to_string).collect::<Vec<_>>().join(",");
        let asked = Allowed { path: path.to_owned(), read_only };
        check(covered, asked, "preopens", if list.is_empty() { "none" } else { &list })
    }

    pub(crate) fn sockets(&self, asked: bool) -> Result<(), String> {
        check(self.sockets || !asked, asked, "sockets", self.sockets)
    }

    pub(crate) fn env(&self, asked: &Names) -> Result<(), String> {
        self.env.lacks(asked).map_or(Ok(()), |name| check(false, name, "env", &self.env))
    }

    pub(crate) fn plugins(&self, asked: &Names) -> Result<(), String> {
        self.plugins.lacks(asked).map_or(Ok(()), |name| check(false, name, "plugins", &self.plugins))
    }

    pub(crate) fn memory(&self, asked: u64) -> Result<(), String> {
        let Some(max) = self.max_memory else { return Ok(()) };
        check(asked <= max, size_text(asked), "max_memory", size_text(max))
    }

    pub(crate) fn timeout(&self, asked: Duration) -> Result<(), String> {
        let Some(max) = self.max_timeout else { return Ok(()) };
        check(asked <= max, format!("{asked:?}"), "max_timeout", format!("{max:?}"))
    }

    pub(crate) fn sniff(&self, asked: bool) -> Result<(), String> {
        check(self.sniff || !asked, asked, "sniff", self.sniff)
    }

    pub(crate) fn interpret(&self, asked: bool) -> Result<(), String> {
        check(self.interpret || !asked, asked, "interpret", self.interpret)
    }

    pub(crate) fn compile(&self, asked: Compile) -> Result<(), String> {
        check(asked <= self.compile, asked, "compile", self.compile)
    }
}

fn check(within: bool, asked: impl Display, key: &str, allowed: impl Display) -> Result<(), String> {
    if within { Ok(()) } else { Err(format!("{asked} is more than wasm.ceiling.{key} of skiff.toml allows: {allowed}")) }
}
