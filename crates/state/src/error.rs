//! What can go wrong with the state directory, and the words that clients match.

use std::path::PathBuf;

/// containerd and CRI-O look for these words (and the lower-case `does not exist`) to tell an unknown container.
pub const NOT_EXIST: &str = "container does not exist";

/// containerd and CRI-O look for these words to tell that a container has stopped already.
pub const NOT_RUNNING: &str = "container not running";

/// An error of this crate.
#[derive(Debug)]
pub enum Error {
    /// The id breaks the rule of [`crate::check_id`].
    InvalidId(String),
    /// No container has this id.
    NotExist,
    /// There is a directory for the id, but no record in it: `create` was killed before it wrote one.
    NoRecord(String),
    /// The id is taken; the second field says by what.
    InUse(String, String),
    /// `state.json` does not hold a record, or one of a newer skiff.
    BadRecord(PathBuf, String),
    /// There is no start fifo: the container was started before.
    NoFifo,
    /// Nobody holds the start fifo open: init is dead.
    NoReader,
    /// A system call failed: act, object, reason.
    Io(&'static str, PathBuf, std::io::Error),
}

impl Error {
    pub(crate) fn io(act: &'static str, path: impl Into<PathBuf>, reason: impl Into<std::io::Error>) -> Error {
        Error::Io(act, path.into(), reason.into())
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Error::InvalidId(id) => {
                write!(f, "invalid container id {id:?}: only letters, digits and _ + - . are allowed, and not . or .. alone")
            }
            Error::NotExist => f.write_str(NOT_EXIST),
            Error::NoRecord(id) => {
                write!(f, "{NOT_EXIST}: create of {id} was interrupted, delete --force {id} removes what it left")
            }
            Error::InUse(id, what) => write!(f, "container with given id already exists: {id} ({what})"),
            Error::BadRecord(path, why) => write!(f, "read {}: {why}", path.display()),
            Error::NoFifo => f.write_str("container was started already"),
            Error::NoReader => f.write_str("container init is gone"),
            Error::Io(act, path, reason) => write!(f, "{act} {}: {}", path.display(), reason_text(reason)),
        }
    }
}

impl std::error::Error for Error {}

/// The reason in the words of strerror(3), lower case, without Rust's `(os error N)`.
fn reason_text(reason: &std::io::Error) -> String {
    match reason.raw_os_error() {
        Some(number) => skiff_sys::errno_text(nix::errno::Errno::from_raw(number)),
        None => reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_clients_match() {
        assert_eq!(NOT_EXIST, "container does not exist");
        assert_eq!(NOT_RUNNING, "container not running");
        assert_eq!(Error::NotExist.to_string(), NOT_EXIST);
        assert!(Error::NoRecord("x".into()).to_string().starts_with(NOT_EXIST));
    }

    #[test]
    fn io_errors_read_as_act_object_reason() {
        let error = Error::io("open", "/a/b", nix::errno::Errno::EACCES);
        assert_eq!(error.to_string(), "open /a/b: permission denied");
    }
}
