//! Why a file cannot be run, found before anything of it has: what it is, and what to do. The caller puts its name in front.

use std::fmt;

/// How many names a list in a message has at most.
const SHOWN: usize = 12;

/// See the module. `Display` is a whole clause, lower case, without the file's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Not a module in any form.
    NotWasm,
    /// A component (WASI 0.2 and later).
    Component,
    /// A module in text form.
    Text,
    /// The file ends before what its headers promise.
    Truncated,
    /// A version of the binary format that nobody has defined yet.
    UnknownVersion(u32),
    /// The engine does not accept it: phase and reason, in its words.
    Invalid(String),
    /// Imports that nothing provides, as `module.name`, and what they hint at.
    UnknownImports {
        /// All of them, as `module.name`.
        names: Vec<String>,
        /// What the module was probably built for.
        hint: Option<&'static str>,
    },
    /// Imports of something that exists with another type, as `module.name`.
    MistypedImports(Vec<String>),
    /// No such function is exported; those that are.
    NoEntry {
        /// The function that was to be run.
        wanted: String,
        /// The functions that could be.
        exported: Vec<String>,
    },
    /// The entry takes parameters or returns something else than one i32.
    EntryType(String),
    /// The memories begin with more bytes than they may have.
    Memory {
        /// What they begin with, in bytes, all together.
        initial: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// Several memories of uneven sizes, which the engine cannot limit together.
    UnevenMemories {
        /// The limit in bytes.
        limit: u64,
    },
    /// RLIMIT_AS leaves less than the engine reserves.
    AddressSpace {
        /// The limit in bytes.
        limit: u64,
        /// What the engine reserves, in bytes.
        needed: u64,
    },
    /// RLIMIT_NOFILE is less than the engine takes.
    Descriptors {
        /// The limit.
        limit: u64,
        /// What the engine takes, one for each preopen included.
        needed: u64,
    },
    /// A preopened directory: the path, and why not.
    Preopen {
        /// The path in the container.
        path: String,
        /// Why it cannot be opened.
        why: String,
    },
    /// A plugin: its name, and why not.
    Plugin {
        /// The plugin's name.
        name: String,
        /// Why it cannot be used.
        why: String,
    },
    /// The library that was found is not the one that this was built with: its version.
    Version(String),
    /// The engine failed where it never should.
    Engine(String),
}

impl std::error::Error for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotWasm => f.write_str("not a WebAssembly module: it does not begin with \\0asm"),
            Self::Component => f.write_str(
                "a WebAssembly component (WASI 0.2), and the engine runs core modules (WASI 0.1): build it for wasm32-wasip1",
            ),
            Self::Text => f.write_str("WebAssembly in text form, and the engine runs the binary form: translate it (wat2wasm)"),
            Self::Truncated => f.write_str("a truncated WebAssembly module: the file ends within a section"),
            Self::UnknownVersion(version) => {
                write!(f, "a WebAssembly file of version {version:#x}, which the engine does not know")
            }
            Self::Invalid(why) => write!(f, "not a valid WebAssembly module: {why}"),
            Self::UnknownImports { names, hint } => {
                write!(f, "the module imports what nothing provides: {}", list(names))?;
                hint.map_or(Ok(()), |hint| write!(f, " ({hint})"))
            }
            Self::MistypedImports(names) => write!(f, "the module imports with other types than they have: {}", list(names)),
            Self::NoEntry { wanted, exported } if exported.is_empty() => {
                write!(f, "the module exports no function {wanted}, nor any other that could be run")
            }
            Self::NoEntry { wanted, exported } => {
                write!(f, "the module exports no function {wanted}; it has {} (name one as FILE#FUNCTION)", list(exported))
            }
            Self::EntryType(name) => {
                write!(f, "the function {name} takes parameters or returns more than one i32: it cannot be run")
            }
            Self::Memory { initial, limit } => {
                write!(f, "the module's memory begins with {initial} bytes, more than the limit of {limit}")
            }
            Self::UnevenMemories { limit } => {
                write!(
                    f,
                    "the module's memories differ so much in size that the limit of {limit} bytes cannot hold for all together"
                )
            }
            Self::AddressSpace { limit, needed } => {
                write!(f, "RLIMIT_AS is {limit}, and the engine reserves {needed} bytes of address space for this module")
            }
            Self::Descriptors { limit, needed } => {
                write!(f, "RLIMIT_NOFILE is {limit}, and the engine takes {needed} descriptors for itself and the preopens")
            }
            Self::Preopen { path, why } => write!(f, "preopen {path}: {why}"),
            Self::Plugin { name, why } => write!(f, "plugin {name}: {why}"),
            Self::Version(found) => {
                write!(
                    f,
                    "the engine is WasmEdge {found}, and skiff-wasm was built with {}: install what belongs together",
                    crate::engine::BUILT
                )
            }
            Self::Engine(what) => write!(f, "the engine failed: {what}"),
        }
    }
}

/// The kernel's words for an error, as the rest of skiff has them: lower case, without the number.
pub(crate) fn errno(error: &std::io::Error) -> String {
    let text = error.to_string().to_lowercase();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

fn list(names: &[String]) -> String {
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_cut_and_say_so() {
        let names: Vec<_> = (0..20).map(|n| format!("env.f{n}")).collect();
        let text = Refusal::UnknownImports { names, hint: Some("built for a browser") }.to_string();
        assert!(text.contains("env.f0, env.f1") && text.ends_with("env.f11 and 8 more (built for a browser)"), "{text}");
    }
}
