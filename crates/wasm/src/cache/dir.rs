//! Where the cache lies, and that nobody but its owner can reach into it. Runs in the runtime's parent process.

use super::Error;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::{FileStat, Mode, fstat, mkdirat};
use nix::unistd::geteuid;
use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

/// root's.
const SYSTEM: &str = "/var/cache/skiff/wasm";
/// Below a user's cache directory (XDG Base Directory Specification).
const USERS: &str = "skiff/wasm";

/// The directory of the cache: root's, or the user's by `$XDG_CACHE_HOME` or `$HOME`; `None` without either. `user`: the runtime
/// runs without root's rights on the host, as in a user namespace of a user's own.
#[must_use]
pub fn directory(user: bool, env: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    if !user {
        return Some(SYSTEM.into());
    }
    let absolute = |name| env(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
    Some(base.join(USERS))
}

/// Opens the directory, which is made where it is missing, with those above it.
///
/// The last one is its owner's alone; the one above it nobody else may write.
pub(crate) fn open_dir(path: &Path) -> Result<(OwnedFd, u32), Error> {
    let failed = |act, errno| Error::Directory { act, path: path.to_owned(), errno };
    let mut parts: Vec<&std::ffi::OsStr> = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => parts.push(name),
            Component::RootDir => {}
            _ => return Err(failed("open", Errno::EINVAL)),
        }
    }
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let mut dir = open("/", flags, Mode::empty()).map_err(|errno| failed("open", errno))?;
    let own = geteuid().as_raw();
    for (at, part) in parts.iter().enumerate() {
        let left = parts.len() - 1 - at;
        match mkdirat(&dir, *part, Mode::from_bits_truncate(if left > 1 { 0o755 } else { 0o700 })) {
            // A system directory that exists may not be ours to write, or may be read-only.
            Ok(()) | Err(Errno::EEXIST | Errno::EACCES | Errno::EROFS | Errno::EPERM) => {}
            Err(errno) => return Err(failed("make", errno)),
        }
        let links = if left <= 1 { OFlag::O_NOFOLLOW } else { OFlag::empty() };
        let reach = if left == 0 { flags | links } else { flags | links | OFlag::O_PATH };
        dir = openat(&dir, *part, reach, Mode::empty()).map_err(|errno| failed("open", errno))?;
        if left <= 1 {
            let stat = fstat(dir.as_fd()).map_err(|errno| failed("look at", errno))?;
            safe(&stat, own, left == 0).map_err(|reason| Error::Unsafe { path: path.to_owned(), reason })?;
        }
    }
    Ok((dir, own))
}

fn safe(stat: &FileStat, own: u32, last: bool) -> Result<(), &'static str> {
    match (stat.st_uid == own, stat.st_mode & 0o077, last) {
        (false, _, _) => Err("it, or the directory above it, has another owner"),
        (_, rights, true) if rights != 0 => Err("others have rights on it: it must have mode 0700"),
        (_, rights, false) if rights & 0o022 != 0 => Err("others may write the directory above it"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &'static [(&str, &str)]) -> impl Fn(&str) -> Option<OsString> {
        |name| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
    }

    #[test]
    fn a_user_has_a_cache_of_its_own() {
        assert_eq!(directory(false, env(&[("HOME", "/root")])), Some(SYSTEM.into()));
        assert_eq!(directory(true, env(&[("HOME", "/home/u")])), Some("/home/u/.cache/skiff/wasm".into()));
        let both = env(&[("HOME", "/home/u"), ("XDG_CACHE_HOME", "/x")]);
        assert_eq!(directory(true, both), Some("/x/skiff/wasm".into()));
        let relative = env(&[("HOME", "/home/u"), ("XDG_CACHE_HOME", "x")]);
        assert_eq!(directory(true, relative), Some("/home/u/.cache/skiff/wasm".into()));
        assert_eq!(directory(true, env(&[])), None);
    }
}
