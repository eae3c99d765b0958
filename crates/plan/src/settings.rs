//! `/etc/skiff/skiff.toml`: what the administrator decides for every container. A user without root may have a file too, which
//! can only take away. Parent side; all but [`Settings::load`] is pure. The format is described in docs/wasm-settings.md.

mod document;
mod load;
mod parse;
#[cfg(test)]
mod tests;

pub use load::is_roots;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Error;
use crate::wasm::{Ceiling, Compile, Profile};

/// The administrator's file.
const SYSTEM: &str = "/etc/skiff/skiff.toml";

/// All settings, defaults included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// What a module may do whose container asks for nothing.
    pub profile: Profile,
    /// Look into every command that nothing is said about, whether it is a module.
    pub sniff: bool,
    /// When modules are compiled; not above the ceiling.
    pub compile: Compile,
    /// Where plugins lie on the host, absolute; without it there are none.
    pub plugin_dir: Option<PathBuf>,
    /// How much compiled code is kept, bytes.
    pub cache_size: u64,
    /// How long one compilation may take, wall clock.
    pub compile_time: Duration,
    /// How much memory one compilation may use, bytes.
    pub compile_memory: u64,
    /// What no container may go beyond.
    pub ceiling: Ceiling,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            profile: Profile::Crun,
            sniff: false,
            compile: Compile::Background,
            plugin_dir: None,
            cache_size: 1 << 30,
            compile_time: Duration::from_secs(600),
            compile_memory: 2 << 30,
            ceiling: Ceiling::default(),
        }
    }
}

impl Settings {
    /// Reads the administrator's file, and `user`, that of a user without root. A file that is missing changes nothing.
    ///
    /// # Errors
    /// [`Error::Settings`] for a file that is wrong in any way, or that others could have written; [`Error::Io`] for one that
    /// cannot be read, but not for the user's: the XDG base directory specification has it skipped.
    pub fn load(user: Option<&Path>) -> Result<Settings, Error> {
        load::load(Path::new(SYSTEM), user)
    }
}
