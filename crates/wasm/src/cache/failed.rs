//! Notes on modules that did not compile, so that it is not tried again with each start. The compiler's process writes them.

use super::{Cache, Error, FAILED, Key, entry};
use std::io::Read;
use std::time::{Duration, SystemTime};

/// How long a note holds: a module does not change, but a limit can be raised and a machine be less busy.
pub(crate) const HOLDS: Duration = Duration::from_secs(24 * 60 * 60);
const LONGEST: u64 = 512;

impl Cache {
    /// Notes that the module does not compile, and why.
    ///
    /// # Errors
    /// As [`Cache::insert`].
    pub fn note_failure(&self, key: &Key, reason: &str) -> Result<(), Error> {
        self.replace(&(key.stem() + FAILED), &[reason.as_bytes()])
    }

    /// Why the module did not compile, if that was tried within the last day.
    #[must_use]
    pub fn failure(&self, key: &Key) -> Option<String> {
        let file = self.read(&(key.stem() + FAILED)).ok()?;
        let stat = nix::sys::stat::fstat(&file).ok()?;
        entry::check_file(&stat, self.owner).ok()?;
        let made = file.metadata().ok()?.modified().ok()?;
        // A note from the future, of a clock set back, does not count.
        let age = SystemTime::now().duration_since(made).ok()?;
        let mut reason = String::new();
        (age < HOLDS).then_some(())?;
        file.take(LONGEST).read_to_string(&mut reason).ok()?;
        Some(reason)
    }
}
