//! What can go wrong between us and systemd.

use std::fmt;
use std::path::PathBuf;

/// Why systemd did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnitError {
    /// No manager could be reached.
    NoManager {
        /// The user's manager, not the system's.
        user: bool,
        /// The addresses that were tried, and what was wrong with each.
        tried: Vec<(String, String)>,
    },
    /// The connection broke, or what came over it is no D-Bus.
    Connection(String),
    /// The time was up, after so many seconds.
    Timeout(u64),
    /// A unit of that name is active, or a file describes it.
    Exists,
    /// No unit may have that name.
    Name,
    /// A property that no message can carry.
    Property {
        /// Its name.
        name: String,
        /// What is wrong with the value.
        why: String,
    },
    /// systemd refused.
    Refused {
        /// The error's name, as `org.freedesktop.DBus.Error.InvalidArgs`.
        name: String,
        /// What systemd says to it.
        text: String,
    },
    /// The job ended with this result instead of `done` (org.freedesktop.systemd1(5), "JobRemoved").
    Job(String),
    /// The job is done and the process is in another cgroup.
    Elsewhere(PathBuf),
}

impl UnitError {
    /// systemd's answer is the error `name` of its own (`org.freedesktop.systemd1.NAME`).
    pub(super) fn is(&self, wanted: &str) -> bool {
        matches!(self, UnitError::Refused { name, .. } if name.strip_prefix("org.freedesktop.systemd1.") == Some(wanted))
    }
}

impl fmt::Display for UnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UnitError::NoManager { user, tried } => {
                write!(f, "no {} manager of systemd can be reached", if *user { "user" } else { "system" })?;
                tried
                    .iter()
                    .enumerate()
                    .try_for_each(|(index, (address, why))| write!(f, "{}{address}: {why}", if index == 0 { ": " } else { "; " }))
            }
            UnitError::Connection(why) => write!(f, "talk to systemd: {why}"),
            UnitError::Timeout(seconds) => write!(f, "systemd has not done it within {seconds} seconds"),
            UnitError::Exists => f.write_str("a unit of that name exists already"),
            UnitError::Name => f.write_str("not a name for a unit"),
            UnitError::Property { name, why } => write!(f, "property {name}: {why}"),
            UnitError::Refused { name, text } => write!(f, "systemd refuses: {text} ({name})"),
            UnitError::Job(result) => write!(f, "systemd's job has ended with the result {result}"),
            UnitError::Elsewhere(path) => write!(f, "the process is in the cgroup {} instead", path.display()),
        }
    }
}
