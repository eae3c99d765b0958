//! From `linux.cgroupsPath` to the names of unit and slice, as runc reads them. Parent side, pure.

use crate::Error;
use std::path::{Path, PathBuf};

const FIELD: &str = "linux.cgroupsPath";
const SLICE: &str = ".slice";
/// The slice that every other lies in.
pub(super) const ROOT: &str = "-.slice";
/// `UNIT_NAME_MAX` of systemd.
const LONGEST: usize = 255;

/// Who the container is to systemd.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// With its suffix.
    pub unit: String,
    /// Whether that is a slice instead of a scope.
    pub is_slice: bool,
    /// The slice that it lies in.
    pub slice: String,
    /// For people.
    pub title: String,
}

impl Name {
    /// Where the unit lies below the manager's own cgroup. The name of a slice tells by itself.
    pub(super) fn path(&self) -> Result<PathBuf, Error> {
        if self.is_slice { expand(&self.unit) } else { Ok(expand(&self.slice)?.join(&self.unit)) }
    }
}

/// Reads `slice:prefix:name`; without a path the container's id is the name. `user`: of a user's manager.
pub(super) fn parse(asked: Option<&Path>, id: &str, user: bool) -> Result<Name, Error> {
    let default = if user { "user.slice" } else { "system.slice" };
    let Some(asked) = asked else {
        return check(scope(default, &format!("skiff-{id}"), id));
    };
    let text = asked.to_string_lossy();
    let parts: Vec<&str> = text.split(':').collect();
    let [slice, prefix, name] = parts[..] else {
        return Err(invalid(&text, "not of the format \"slice:prefix:name\", which systemd cgroups are named by"));
    };
    if name.is_empty() {
        return Err(invalid(&text, "the name is empty"));
    }
    let slice = if slice.is_empty() { default } else { slice };
    check(match name.ends_with(SLICE) {
        true => Name { unit: name.to_owned(), is_slice: true, slice: slice.to_owned(), title: name.to_owned() },
        false => scope(slice, &format!("{prefix}-{name}"), name),
    })
}

fn scope(slice: &str, name: &str, title: &str) -> Name {
    Name { unit: format!("{name}.scope"), is_slice: false, slice: slice.to_owned(), title: title.to_owned() }
}

/// systemd's own rules, so that the error names the field. An `@` is for templates, which scopes and slices have not.
fn check(name: Name) -> Result<Name, Error> {
    name.path()?;
    expand(&name.slice)?;
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\".contains(&byte);
    if name.unit.len() > LONGEST {
        return Err(invalid(&name.unit, "longer than the name of a unit may be"));
    }
    if !name.unit.bytes().all(valid) {
        return Err(invalid(&name.unit, "holds a character that no name of a unit may hold"));
    }
    Ok(name)
}

/// `a-b.slice` lies in `a.slice`.
fn expand(slice: &str) -> Result<PathBuf, Error> {
    let bad = || invalid(slice, "no name of a slice");
    let name = slice.strip_suffix(SLICE).ok_or_else(bad)?;
    let mut path = PathBuf::new();
    if name == "-" {
        return Ok(path);
    }
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\".contains(&byte);
    if !name.bytes().all(valid) || slice.len() > LONGEST {
        return Err(bad());
    }
    for (end, _) in name.match_indices('-').chain([(name.len(), "")]) {
        let prefix = name.get(..end).unwrap_or_default();
        if prefix.is_empty() || prefix.ends_with('-') {
            return Err(bad());
        }
        path.push(format!("{prefix}{SLICE}"));
    }
    Ok(path)
}

fn invalid(asked: &str, why: &str) -> Error {
    Error::invalid(FIELD, format!("{asked:?}: {why}"))
}
