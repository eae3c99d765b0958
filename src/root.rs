//! Where the state lies.

use anyhow::{Context, bail};
use std::ffi::OsString;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

const DEFAULT: &str = "/run/skiff";
const NAME: &str = "skiff";

/// `--root` made absolute; without it `/run/skiff`, or `$XDG_RUNTIME_DIR/skiff` for a user without root.
pub(crate) fn path(given: Option<&Path>) -> anyhow::Result<PathBuf> {
    match given {
        Some(root) => absolute(root),
        None => match std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty() && !is_real_root()) {
            Some(dir) => users_own(dir),
            None => Ok(DEFAULT.into()),
        },
    }
}

fn absolute(root: &Path) -> anyhow::Result<PathBuf> {
    let absolute = std::path::absolute(root).context("--root is empty")?;
    if absolute.parent().is_none() {
        bail!("--root may not be /");
    }
    Ok(absolute)
}

/// The sticky bit keeps cleaners of old files away, as the XDG base directory specification says.
fn users_own(runtime_dir: OsString) -> anyhow::Result<PathBuf> {
    let path = Path::new(&runtime_dir).join(NAME);
    let make = || {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o1700))
    };
    make().with_context(|| format!("make {}", path.display()))?;
    Ok(path)
}

/// Root of the initial user namespace, or a root that is called so: a "root" of podman's own user namespace is the user.
pub fn is_real_root() -> bool {
    let uid_map = || std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    nix::unistd::geteuid().is_root()
        && (std::env::var_os("USER").is_some_and(|user| user == "root") || maps_everybody(&uid_map()))
}

fn maps_everybody(uid_map: &str) -> bool {
    uid_map.split_whitespace().eq(["0", "0", "4294967295"])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn given_roots() {
        assert_eq!(path(Some(Path::new("/a/b/"))).unwrap(), Path::new("/a/b"));
        let here = std::env::current_dir().unwrap();
        assert_eq!(path(Some(Path::new("r"))).unwrap(), here.join("r"));
        assert!(path(Some(Path::new("/"))).is_err());
        assert!(path(Some(Path::new(""))).is_err());
    }

    #[test]
    fn initial_user_namespace() {
        assert!(maps_everybody("         0          0 4294967295\n"));
        assert!(!maps_everybody("         0       1000          1\n         1     100000      65536\n"));
        assert!(!maps_everybody(""));
    }

    #[test]
    fn users_own_is_sticky() {
        let dir = std::env::temp_dir().join(format!("skiff-xdg-{}", std::process::id()));
        let path = users_own(dir.clone().into()).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        std::fs::remove_dir_all(&dir).unwrap();
        assert_eq!((path, mode & 0o7777), (dir.join("skiff"), 0o1700));
    }
}
