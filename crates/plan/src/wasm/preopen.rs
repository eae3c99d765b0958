//! Directories that a WebAssembly module finds open: as annotations ask for them and as skiff.toml allows them. Parent side,
//! pure.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A directory of the container that the module finds open.
///
/// Whoever opens it follows no symbolic link on the way: the ceiling speaks of paths, and the image could lead them elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preopen {
    /// How the module calls it: an absolute path, or `.`.
    pub guest: String,
    /// Where it lies in the container: absolute, without `..`.
    pub path: PathBuf,
    /// Nothing below it can be written through it.
    pub read_only: bool,
}

impl Preopen {
    /// The whole root.
    pub(super) fn root(read_only: bool) -> Preopen {
        Preopen { guest: "/".to_owned(), path: "/".into(), read_only }
    }

    /// `[GUEST:]PATH[:ro|:rw]`, writable unless it says `ro`, as volumes are.
    pub(super) fn read(text: &str) -> Result<Preopen, String> {
        let (place, read_only) = mode(text);
        let (guest, path) = place.split_once(':').unwrap_or((place, place));
        let path = absolute(path).ok_or_else(|| no_preopen(text))?;
        let guest = if guest == "." { Some(guest.to_owned()) } else { absolute(guest).map(|guest| guest.display().to_string()) };
        Ok(Preopen { guest: guest.ok_or_else(|| no_preopen(text))?, path, read_only })
    }

    /// Several, none under the name of another.
    pub(super) fn list<'a>(entries: impl Iterator<Item = &'a str>) -> Result<Vec<Preopen>, String> {
        let list = entries.map(Preopen::read).collect::<Result<Vec<_>, _>>()?;
        let twice = list.iter().enumerate().find(|(index, one)| list[..*index].iter().any(|other| other.guest == one.guest));
        match twice {
            Some((_, preopen)) => Err(format!("`{}` is there twice", preopen.guest)),
            None => Ok(list),
        }
    }
}

impl fmt::Display for Preopen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path.display(), if self.read_only { "ro" } else { "rw" })
    }
}

/// Where preopens may lie: at this path or anywhere below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// Absolute in the container, without `..`.
    pub path: PathBuf,
    /// Only read-only ones.
    pub read_only: bool,
}

impl Allowed {
    /// `PATH[:ro|:rw]`.
    pub(crate) fn read(text: &str) -> Result<Allowed, String> {
        let (place, read_only) = mode(text);
        let path = absolute(place).ok_or_else(|| format!("`{text}` is no PATH, PATH:ro or PATH:rw with an absolute path"))?;
        Ok(Allowed { path, read_only })
    }

    /// Whether a directory may be opened.
    pub(crate) fn covers(&self, path: &Path, read_only: bool) -> bool {
        path.starts_with(&self.path) && (read_only || !self.read_only)
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path.display(), if self.read_only { "ro" } else { "rw" })
    }
}

fn no_preopen(text: &str) -> String {
    format!("`{text}` is no [GUEST:]PATH[:ro|:rw] with absolute paths")
}

/// What `:ro` or `:rw` at the end says, and what stands before it.
fn mode(text: &str) -> (&str, bool) {
    match text.rsplit_once(':') {
        Some((place, "ro")) => (place, true),
        Some((place, "rw")) => (place, false),
        _ => (text, false),
    }
}

/// The path in its plain form; nothing where it is relative, has a `..`, a colon or a null byte.
pub(crate) fn absolute(text: &str) -> Option<PathBuf> {
    let path = Path::new(text);
    let plain = path.is_absolute() && !text.contains(['\0', ':']);
    let up = path.components().any(|part| part == Component::ParentDir);
    (plain && !up).then(|| path.components().collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::wasm::units::comma_list;

    #[test]
    fn preopens() {
        for (text, guest, path, read_only) in [
            ("/", "/", "/", false),
            ("/data", "/data", "/data", false),
            ("/data:rw", "/data", "/data", false),
            ("/data:ro", "/data", "/data", true),
            ("//data/./x/:ro", "/data/x", "/data/x", true),
            ("/in:/data", "/in", "/data", false),
            ("/in:/data:ro", "/in", "/data", true),
            (".:/data:rw", ".", "/data", false),
            ("/ro:ro", "/ro", "/ro", true),
            ("/with blank", "/with blank", "/with blank", false),
        ] {
            let expected = Preopen { guest: guest.to_owned(), path: path.into(), read_only };
            assert_eq!(Preopen::read(text), Ok(expected), "{text}");
        }
        for text in [
            "", "data", "./data", ".", "ro", ":ro", "/a/../b", "/a/..", "/in:data", "in:/data", "/a:/b:/c", "/a::ro", "/a:ro:ro",
            "/a\0",
        ] {
            assert_eq!(Preopen::read(text), Err(format!("`{text}` is no [GUEST:]PATH[:ro|:rw] with absolute paths")));
        }
    }

    #[test]
    fn lists() {
        let list = |text| Preopen::list(comma_list(text)).map(|list| list.len());
        assert_eq!(list(""), Ok(0));
        assert_eq!(list("/a,/b:ro,/c:/a"), Ok(3));
        assert_eq!(list("/a,/b:ro,/a/:/b"), Err("`/a` is there twice".to_owned()));
        assert_eq!(list("/a,"), Err("`` is no [GUEST:]PATH[:ro|:rw] with absolute paths".to_owned()));
    }

    #[test]
    fn what_is_allowed() {
        for (allowed, path, read_only, expected) in [
            ("/", "/any/where", false, true),
            ("/:ro", "/any/where", false, false),
            ("/:ro", "/any/where", true, true),
            ("/data", "/data", false, true),
            ("/data", "/data/x", false, true),
            ("/data/", "/data/x", true, true),
            ("/data", "/database", true, false),
            ("/data", "/", true, false),
        ] {
            let found = Allowed::read(allowed).unwrap().covers(Path::new(path), read_only);
            assert_eq!(found, expected, "{allowed} {path} {read_only}");
        }
        for text in ["", "data", "/a/..", "/a:/b", "/a:ro:ro"] {
            assert_eq!(Allowed::read(text), Err(format!("`{text}` is no PATH, PATH:ro or PATH:rw with an absolute path")));
        }
    }
}
