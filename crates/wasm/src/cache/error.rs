//! Why there is no cache, or why it cannot be written.

use nix::errno::Errno;
use std::fmt;
use std::path::PathBuf;

/// Why the cache is of no use. A missing or refused entry is no error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// A directory cannot be made or opened.
    Directory {
        /// In plain words.
        act: &'static str,
        /// The cache's directory.
        path: PathBuf,
        /// Why.
        errno: Errno,
    },
    /// Somebody else could change what lies in it.
    Unsafe {
        /// The cache's directory.
        path: PathBuf,
        /// In plain words.
        reason: &'static str,
    },
    /// An entry cannot be written, or the entries cannot be listed or locked.
    Entry {
        /// In plain words.
        act: &'static str,
        /// Why.
        errno: Errno,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory { act, path, errno } => {
                write!(f, "{act} the cache directory {}: {}", path.display(), skiff_sys::errno_text(*errno))
            }
            Self::Unsafe { path, reason } => write!(f, "the cache directory {} is not used: {reason}", path.display()),
            Self::Entry { act, errno } => write!(f, "{act} of the cache: {}", skiff_sys::errno_text(*errno)),
        }
    }
}

impl std::error::Error for Error {}
