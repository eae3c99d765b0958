//! Which cgroup hierarchies the host has, from statfs(2) of the usual places and `/proc/self/cgroup`; no mountinfo.

use crate::Error;
use nix::errno::Errno;
use nix::sys::statfs::{CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, FsType, statfs};
use skiff_plan::{CgroupFacts, Hierarchy};
use std::path::{Component, Path, PathBuf};

const ROOT: &str = "/sys/fs/cgroup";
/// Where hybrid hosts mount the second version (systemd's layout; runc and crun look here too).
const UNIFIED: &str = "/sys/fs/cgroup/unified";
const OWN: &str = "/proc/self/cgroup";

/// The cgroups of the host, as this process sees them; on version 2 with its controllers only if they are asked for.
///
/// # Errors
/// When `/proc/self/cgroup` or the controllers of the unified hierarchy cannot be read.
pub fn facts(with_controllers: bool) -> Result<CgroupFacts, Error> {
    let own = text(Path::new(OWN))?;
    if is(Path::new(ROOT), CGROUP2_SUPER_MAGIC)? {
        return unified(Path::new(ROOT), &own, with_controllers);
    }
    let mut hierarchies: Vec<Hierarchy> =
        own.lines().filter_map(|line| version1(Path::new(ROOT), line).transpose()).collect::<Result<_, _>>()?;
    let hybrid = is(Path::new(UNIFIED), CGROUP2_SUPER_MAGIC)?;
    match (hierarchies.is_empty(), hybrid) {
        (true, true) => return unified(Path::new(UNIFIED), &own, with_controllers),
        (true, false) => return Ok(CgroupFacts::None),
        (false, true) => hierarchies.push(Hierarchy {
            mount: PathBuf::from(UNIFIED),
            controllers: String::new(),
            own: below_mount(Path::new(UNIFIED), unified_own(&own))?,
        }),
        (false, false) => {}
    }
    Ok(CgroupFacts::V1(hierarchies))
}

fn text(path: &Path) -> Result<String, Error> {
    let bytes = skiff_sys::read_whole(None, path).map_err(|errno| Error::path("read", path, errno))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A place that is not there is none; one that cannot be looked at might be.
fn is(path: &Path, wanted: FsType) -> Result<bool, Error> {
    match statfs(path) {
        Ok(found) => Ok(found.filesystem_type() == wanted),
        Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(false),
        Err(errno) => Err(Error::path("look at", path, errno)),
    }
}

fn unified(mount: &Path, own: &str, with_controllers: bool) -> Result<CgroupFacts, Error> {
    let controllers = if with_controllers { text(&mount.join("cgroup.controllers"))? } else { String::new() };
    Ok(CgroupFacts::V2 {
        mount: mount.to_owned(),
        controllers: controllers.split_whitespace().map(str::to_owned).collect(),
        own: below_mount(mount, unified_own(own))?,
    })
}

/// The path on the line `0::/path`; the root where there is none.
fn unified_own(own: &str) -> &str {
    path_in(own, "").unwrap_or("/")
}

/// The path in `/proc/PID/cgroup` of the hierarchy with these controllers, as that file names them; none is version 2.
pub(crate) fn path_in<'t>(list: &'t str, controllers: &str) -> Option<&'t str> {
    let mut lines = list.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
    lines.find_map(|(names, path)| (names == controllers).then_some(path))
}

/// A line `4:memory:/path` with the place where that hierarchy is mounted: `cpu,cpuacct` lies at that name or, as on
/// some distributions, at the one of its first controller; `name=systemd` at `systemd`.
fn version1(root: &Path, line: &str) -> Result<Option<Hierarchy>, Error> {
    let mut fields = line.splitn(3, ':').skip(1);
    let (Some(controllers), Some(own)) = (fields.next().filter(|text| !text.is_empty()), fields.next()) else { return Ok(None) };
    let names = std::iter::once(controllers).chain(controllers.split(','));
    for name in names {
        let mount = root.join(name.strip_prefix("name=").unwrap_or(name));
        if is(&mount, CGROUP_SUPER_MAGIC)? {
            let own = below_mount(&mount, own)?;
            return Ok(Some(Hierarchy { mount, controllers: controllers.to_owned(), own }));
        }
    }
    Ok(None)
}

/// The runtime's own cgroup relative to the mount. Both paths of `/proc/self/cgroup` and of the mount may start below
/// the hierarchy's root: inside a container without a cgroup namespace the mount shows only a subtree, and a process
/// above its namespace's root has `/..` in its path. Then leading names are dropped until something is there.
pub(crate) fn below_mount(mount: &Path, own: &str) -> Result<PathBuf, Error> {
    let names: Vec<Component<'_>> = Path::new(own).components().filter(|c| *c != Component::RootDir).collect();
    if names.contains(&Component::ParentDir) {
        return Ok(PathBuf::new());
    }
    for start in 0..names.len() {
        let path: PathBuf = names.iter().skip(start).collect();
        let place = mount.join(&path);
        match nix::sys::stat::stat(&place) {
            Ok(_) => return Ok(path),
            Err(Errno::ENOENT) => {}
            // Any other answer is no reason to go elsewhere.
            Err(errno) => return Err(Error::path("look at", &place, errno)),
        }
    }
    Ok(PathBuf::new())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn finds_this_host() {
        let facts = facts(true).unwrap();
        match &facts {
            CgroupFacts::None => {
                let _ = std::io::Write::write_all(&mut std::io::stderr(), b"skipped: this host has no cgroup filesystem\n");
            }
            CgroupFacts::V2 { mount, own, .. } => assert!(mount.join(own).join("cgroup.procs").exists()),
            CgroupFacts::V1(hierarchies) => {
                for hierarchy in hierarchies {
                    let procs = std::fs::read_to_string(hierarchy.mount.join(&hierarchy.own).join("cgroup.procs")).unwrap();
                    let me = std::process::id().to_string();
                    assert!(procs.lines().any(|line| line == me), "{hierarchy:?}: not there");
                }
            }
        }
    }

    #[test]
    fn lines_without_a_mount_give_nothing() {
        let dir = std::env::temp_dir();
        assert!(version1(&dir, "4:memory:/x").unwrap().is_none());
        assert!(version1(&dir, "0::/x").unwrap().is_none());
        assert!(version1(&dir, "nonsense").unwrap().is_none());
    }

    #[test]
    fn own_path_follows_a_mount_of_a_subtree() {
        let mount = std::env::temp_dir().join(format!("skiff-test-facts-{}", std::process::id()));
        std::fs::create_dir_all(mount.join("b/c")).unwrap();
        assert_eq!(below_mount(&mount, "/").unwrap(), PathBuf::new());
        assert_eq!(below_mount(&mount, "/b/c").unwrap(), PathBuf::from("b/c"));
        assert_eq!(below_mount(&mount, "/docker/b/c").unwrap(), PathBuf::from("b/c"));
        assert_eq!(below_mount(&mount, "/docker/x").unwrap(), PathBuf::new());
        assert_eq!(below_mount(&mount, "/../b").unwrap(), PathBuf::new());
        std::fs::remove_dir_all(&mount).unwrap();
    }

    #[test]
    fn unified_path_is_the_line_without_controllers() {
        assert_eq!(unified_own("4:memory:/m\n0::/user.slice/s.scope\n"), "/user.slice/s.scope");
        assert_eq!(unified_own("4:memory:/m\n"), "/");
    }
}
