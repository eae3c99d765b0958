//! What the integration programs share: bundles, cgroup views, and the runtime under test.

pub mod bundle;
pub mod view;

use std::path::PathBuf;

/// What went wrong, for the person who reads the test's output.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// Adds what was being done, and to what, to an error.
pub trait Context<T> {
    /// `act` names the act and its object.
    fn context(self, act: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T, E: std::fmt::Display> Context<T> for Result<T, E> {
    fn context(self, act: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|error| format!("{}: {error}", act()).into())
    }
}

/// The runtime to test: `$RUNTIME`, else the `skiff` that cargo put beside this program.
pub fn runtime() -> Result<PathBuf, Error> {
    if let Some(path) = std::env::var_os("RUNTIME") {
        return Ok(path.into());
    }
    let me = std::env::current_exe().context(|| "find this program".into())?;
    // Tests lie in target/TRIPLE/PROFILE/deps, programs one level above.
    me.ancestors()
        .skip(1)
        .take(2)
        .map(|dir| dir.join("skiff"))
        .find(|path| path.is_file())
        .ok_or_else(|| format!("no skiff beside {}: build it first, or set RUNTIME", me.display()).into())
}
