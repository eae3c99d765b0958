//! What can be wrong with a bundle. Every text names the file and the field; the parent prints it once.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a bundle gives no plan.
#[derive(Debug)]
pub enum Error {
    /// The bundle, its config.json or its root filesystem cannot be reached.
    Io {
        /// What was tried, as in `read`.
        act: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// config.json is no JSON, or a field has the wrong type or an unknown value.
    Parse {
        /// The file.
        path: PathBuf,
        /// Where in the document, as in `process.rlimits[0].type`; empty when not even that is known.
        field: String,
        /// The parser's words, with line and column.
        source: serde_json::Error,
    },
    /// A field whose value the specification or the kernel forbids.
    Invalid {
        /// The field, as in `process.cwd`.
        field: String,
        /// What is wrong, with the value where it helps.
        why: String,
    },
    /// A field of the resources that an update sends, for a reason as [`Error::Invalid`]'s.
    Resources {
        /// The field, as in `memory.limit`.
        field: String,
        /// What is wrong.
        why: String,
    },
    /// A field that is valid, but that this version cannot honour. Refused, never skipped.
    Unsupported {
        /// The field, as in `process.terminal`.
        field: String,
    },
    /// A file of settings is wrong, or cannot be trusted.
    Settings {
        /// The file.
        path: PathBuf,
        /// Where, from 1, if the text is to blame.
        line: Option<usize>,
        /// The key with its tables, as in `wasm.cache.max_size`.
        key: Option<String>,
        /// What is wrong.
        why: String,
    },
}

impl Error {
    /// `field` of config.json is invalid because of `why`.
    pub(crate) fn invalid(field: impl Into<String>, why: impl Into<String>) -> Error {
        Error::Invalid { field: field.into(), why: why.into() }
    }

    /// `field` of config.json is not supported yet.
    pub(crate) fn unsupported(field: impl Into<String>) -> Error {
        Error::Unsupported { field: field.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Io { act, path, source } => write!(f, "{act} {}: {}", path.display(), reason(source)),
            Error::Parse { path, field, source } if field.is_empty() => write!(f, "parse {}: {source}", path.display()),
            Error::Parse { path, field, source } => write!(f, "parse {}: {field}: {source}", path.display()),
            Error::Invalid { field, why } => write!(f, "config.json: {field}: {why}"),
            Error::Resources { field, why } => write!(f, "resources: {field}: {why}"),
            Error::Unsupported { field } => write!(f, "config.json: {field}: not supported yet"),
            Error::Settings { path, line, key, why } => {
                write!(f, "{}: ", path.display())?;
                line.map_or(Ok(()), |line| write!(f, "line {line}: "))?;
                key.as_ref().map_or(Ok(()), |key| write!(f, "{key}: "))?;
                f.write_str(why)
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // The text of the cause is part of ours already; returning it here would print it twice.
        None
    }
}

/// The kernel's answer in the words that clients match, without Rust's `(os error N)`.
fn reason(error: &io::Error) -> String {
    error.raw_os_error().map_or_else(|| error.to_string(), |number| skiff_sys::errno_text(nix::errno::Errno::from_raw(number)))
}
