//! What can go wrong with a cgroup. Every text names the file and the directory, and the field of config.json where
//! one asked for it.

use crate::UnitError;
use nix::errno::Errno;
use skiff_sys::errno_text;
use std::fmt;
use std::path::{Path, PathBuf};

/// Why something about a cgroup did not work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// A system call on a file or directory failed.
    Path {
        /// What was tried, as in `open`.
        act: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        errno: Errno,
    },
    /// A value was not accepted.
    Write {
        /// File name, as `memory.max`.
        file: String,
        /// The directory it lies in.
        dir: PathBuf,
        /// Field of config.json that asked for it; empty when none did.
        field: &'static str,
        /// What was to be written.
        value: String,
        /// Why not.
        errno: Errno,
    },
    /// A controller that a limit needs could not be enabled.
    Controller {
        /// As `memory`.
        controller: String,
        /// The container's cgroup.
        dir: PathBuf,
        /// Field of config.json that needs it.
        field: &'static str,
        /// The directory whose `cgroup.subtree_control` refused it, and why, where that is known.
        refused: Option<(PathBuf, Errno)>,
    },
    /// Processes are in the cgroup that the container was to get for itself.
    NotEmpty {
        /// The directory.
        dir: PathBuf,
        /// How many are visible.
        processes: usize,
    },
    /// The cgroup, or one above it, is frozen: whatever enters it stands still.
    Frozen(PathBuf),
    /// The container has no cgroup that could be frozen.
    NoFreezer,
    /// The container stays in its caller's cgroup, where nothing is its own.
    NoCgroup,
    /// A new limit lies at or below what is used.
    InUse {
        /// What is limited, as `memory`.
        what: &'static str,
        /// The new limit, bytes.
        limit: u64,
        /// What is used, bytes.
        used: u64,
    },
    /// The path is not on a cgroup filesystem of the expected version.
    NoCgroupfs(PathBuf),
    /// A device rule that version 1 cannot express.
    DeviceRule {
        /// In the kernel's notation, as `c 10:* rwm`.
        rule: String,
        /// The rule that it would have to cut a hole into.
        earlier: String,
    },
    /// The device filter did not load.
    DeviceFilter {
        /// The container's cgroup.
        dir: PathBuf,
        /// Why not.
        errno: Errno,
        /// The verifier's words.
        log: String,
    },
    /// Processes did not reach the wanted state in time.
    Timeout {
        /// What was waited for, as in `freeze`.
        act: &'static str,
        /// The directory.
        dir: PathBuf,
    },
    /// systemd did not do what it was asked for.
    Unit {
        /// What was tried, as in `start`.
        act: &'static str,
        /// Name of the unit.
        unit: String,
        /// Why not.
        why: UnitError,
    },
    /// More than one thing went wrong.
    Several(Vec<Error>),
}

impl Error {
    pub(crate) fn path(act: &'static str, path: &Path, errno: Errno) -> Error {
        Error::Path { act, path: path.to_owned(), errno }
    }

    /// The errno behind it, where there is exactly one.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Error::Path { errno, .. } | Error::Write { errno, .. } | Error::DeviceFilter { errno, .. } => Some(*errno),
            _ => None,
        }
    }

    /// The cgroup has been removed.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.errno().is_some_and(crate::files::gone)
    }

    /// Nothing, the one error, or all of them.
    pub(crate) fn all(mut errors: Vec<Error>) -> Result<(), Error> {
        match errors.len() {
            0 => Ok(()),
            1 => Err(errors.remove(0)),
            _ => Err(Error::Several(errors)),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Path { act, path, errno } => write!(f, "{act} {}: {}", path.display(), errno_text(*errno)),
            Error::Write { file, dir, field, value, errno } => {
                write!(f, "write {file} in {}: ", dir.display())?;
                if !field.is_empty() {
                    write!(f, "{field} = ")?;
                }
                write!(f, "{value}: {}", errno_text(*errno))
            }
            Error::Controller { controller, dir, field, refused } => {
                write!(f, "{field}: the {controller} controller is not available in {}", dir.display())?;
                match refused {
                    Some((dir, errno)) => {
                        write!(f, ": write +{controller} to cgroup.subtree_control in {}: {}", dir.display(), errno_text(*errno))
                    }
                    None => Ok(()),
                }
            }
            // The first words are runc's: its tests and callers look for them.
            Error::NotEmpty { dir, processes } => {
                write!(f, "container's cgroup is not empty: {processes} process(es) found in {}", dir.display())
            }
            Error::Frozen(dir) => write!(f, "container's cgroup unexpectedly frozen: {}", dir.display()),
            Error::NoFreezer => f.write_str("the container has no cgroup that can be frozen"),
            Error::NoCgroup => f.write_str("the container has no cgroup of its own that could be measured"),
            Error::InUse { what, limit, used } => {
                write!(f, "linux.resources.memory.checkBeforeUpdate: the {what} limit of {limit} is not above the {used} in use")
            }
            Error::NoCgroupfs(path) => write!(f, "{}: not a cgroup filesystem of the expected version", path.display()),
            Error::DeviceRule { rule, earlier } => {
                write!(f, "linux.resources.devices: cgroup version 1 cannot take the rule {rule} out of {earlier}")
            }
            Error::DeviceFilter { dir, errno, log } if log.is_empty() => {
                write!(f, "load the device filter of {}: {}", dir.display(), errno_text(*errno))
            }
            Error::DeviceFilter { dir, errno, log } => {
                write!(f, "load the device filter of {}: {}: {log}", dir.display(), errno_text(*errno))
            }
            Error::Timeout { act, dir } => write!(f, "{act} {}: timed out", dir.display()),
            Error::Unit { act, unit, why } => write!(f, "{act} unit {unit}: {why}"),
            Error::Several(errors) => {
                for (index, error) in errors.iter().enumerate() {
                    write!(f, "{}{error}", if index == 0 { "" } else { "; " })?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for Error {}
