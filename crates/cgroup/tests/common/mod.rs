//! What the tests on a real kernel share: a place of their own in the hierarchies, processes to put there.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::geteuid;
use skiff_cgroup::{Cgroup, facts};
use skiff_plan::{CgroupFacts, CgroupLayout, CgroupPlan, CgroupUpdate, CgroupWrite, DeviceKind, DeviceRule, V1Dir};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A directory that belongs to one test, in the unified hierarchy or in each of version 1. Everything in it is killed
/// and removed at the end, also after a failure.
pub struct Place {
    /// Mount point and controllers of each hierarchy.
    hierarchies: Vec<(PathBuf, String)>,
    v2: bool,
    /// Name below each mount.
    pub name: PathBuf,
    /// A mount of ours.
    mounted: Option<PathBuf>,
}

fn unique(test: &str) -> PathBuf {
    format!("skiff-test-{}-{test}", std::process::id()).into()
}

/// Says why a test does nothing; not with `eprintln`, which the test harness keeps to itself.
pub fn skip(test: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "skipped {test}: {why}");
}

impl Place {
    /// In the unified hierarchy: the host's, or a private mount of it where the host has version 1.
    pub fn v2(test: &str) -> Option<Place> {
        if !geteuid().is_root() {
            skip(test, "not root");
            return None;
        }
        let (root, mounted) = match facts(true).unwrap() {
            CgroupFacts::V2 { mount, .. } => (mount, None),
            _ => {
                let target = std::env::temp_dir().join(unique(test));
                std::fs::create_dir_all(&target).unwrap();
                if let Err(errno) = mount(Some("cgroup2"), &target, Some("cgroup2"), MsFlags::empty(), None::<&str>) {
                    let _ = std::fs::remove_dir(&target);
                    skip(test, &format!("mount cgroup2: {errno}"));
                    return None;
                }
                (target.clone(), Some(target))
            }
        };
        Some(Place { hierarchies: vec![(root, String::new())], v2: true, name: unique(test), mounted })
    }

    /// As [`Place::v2`], on a host whose unified hierarchy has the controllers.
    pub fn v2_with(test: &str, controllers: &[&str]) -> Option<Place> {
        let place = Place::v2(test)?;
        let present = std::fs::read_to_string(place.mount().join("cgroup.controllers")).unwrap();
        match controllers.iter().find(|wanted| !present.split_whitespace().any(|name| name == **wanted)) {
            None => Some(place),
            Some(missing) => {
                skip(test, &format!("the unified hierarchy has no {missing} controller, only: {}", present.trim()));
                None
            }
        }
    }

    /// In every hierarchy of version 1.
    pub fn v1(test: &str) -> Option<Place> {
        if !geteuid().is_root() {
            skip(test, "not root");
            return None;
        }
        let CgroupFacts::V1(hierarchies) = facts(true).unwrap() else {
            skip(test, "this host has no version 1 hierarchies");
            return None;
        };
        let hierarchies = hierarchies.into_iter().map(|h| (h.mount, h.controllers)).collect();
        Some(Place { hierarchies, v2: false, name: unique(test), mounted: None })
    }

    /// Mount point of the unified hierarchy.
    pub fn mount(&self) -> &Path {
        &self.hierarchies[0].0
    }

    /// The place's directory in the hierarchy with the controller.
    pub fn dir(&self, controller: &str) -> PathBuf {
        let found = self.hierarchies.iter().find(|(_, names)| names.split(',').any(|name| name == controller));
        found.unwrap_or_else(|| panic!("no {controller} hierarchy")).0.join(&self.name)
    }

    pub fn has(&self, controller: &str) -> bool {
        self.hierarchies.iter().any(|(_, names)| names.split(',').any(|name| name == controller))
    }

    /// A plan for a container `path` below the place.
    pub fn plan(&self, path: &str, writes: Vec<CgroupWrite>) -> CgroupPlan {
        let path = self.name.join(path);
        let layout = if self.v2 {
            let mut controllers: Vec<String> = writes.iter().map(|write| write.controller.to_string()).collect();
            controllers.dedup();
            CgroupLayout::V2 { mount: self.mount().to_owned(), path, controllers }
        } else {
            let dir = |(mount, controllers): &(PathBuf, String)| V1Dir {
                mount: mount.clone(),
                controllers: controllers.clone(),
                path: path.clone(),
            };
            CgroupLayout::V1(self.hierarchies.iter().map(dir).collect())
        };
        CgroupPlan { writes, ..CgroupPlan::bare(layout) }
    }

    pub fn create(&self, path: &str, writes: Vec<CgroupWrite>) -> Cgroup {
        Cgroup::create(&self.plan(path, writes)).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let dirs: Vec<(String, PathBuf)> =
            self.hierarchies.iter().map(|(mount, names)| (names.clone(), mount.join(&self.name))).collect();
        let left = Cgroup::open(&skiff_cgroup::CgroupRecord { version: if self.v2 { 2 } else { 1 }, dirs, unit: None });
        let _ = left.kill();
        if let Err(error) = left.remove() {
            eprintln!("left behind: {error}");
        }
        if let Some(mounted) = &self.mounted {
            let _ = umount2(mounted, MntFlags::MNT_DETACH);
            let _ = std::fs::remove_dir(mounted);
        }
    }
}

/// A value to write that must not be missing.
pub fn write(controller: &'static str, file: &str, value: &str) -> CgroupWrite {
    CgroupWrite {
        controller: controller.into(),
        file: file.into(),
        value: value.into(),
        field: "linux.resources.test",
        fallback: None,
        optional: false,
    }
}

/// The whole file, trimmed.
pub fn read(dir: &Path, file: &str) -> String {
    let path = dir.join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).trim().to_owned()
}

/// A shell that waits for its script to be let go; killed and reaped at the end.
pub struct Shell(pub Child);

impl Shell {
    /// Starts `script`, which first waits for [`Shell::go`].
    pub fn start(script: &str) -> Shell {
        let script = format!("read go; {script}");
        let child = Command::new("/bin/sh").args(["-c", &script]).stdin(Stdio::piped()).stderr(Stdio::null()).spawn();
        Shell(child.unwrap())
    }

    /// One that only waits.
    pub fn waiting() -> Shell {
        Shell::start(":")
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    pub fn go(&mut self) {
        self.0.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }

    /// Lets it go; its exit code, or minus the signal.
    pub fn finish(&mut self) -> i32 {
        use std::os::unix::process::ExitStatusExt;
        self.go();
        let status = self.0.wait().unwrap();
        status.code().unwrap_or_else(|| -status.signal().unwrap())
    }

    /// The signal that ended it.
    pub fn signal(&mut self) -> Option<i32> {
        use std::os::unix::process::ExitStatusExt;
        self.0.wait().unwrap().signal()
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn device(allow: bool, kind: DeviceKind, major: Option<u32>, minor: Option<u32>) -> DeviceRule {
    DeviceRule { allow, kind, major, minor, read: true, write: true, mknod: true }
}

/// Everything denied but /dev/null (1:3) and /dev/zero (1:5).
pub fn null_and_zero() -> Vec<DeviceRule> {
    vec![
        device(false, DeviceKind::All, None, None),
        device(true, DeviceKind::Char, Some(1), Some(3)),
        device(true, DeviceKind::Char, Some(1), Some(5)),
    ]
}

/// Exits with 0 if /dev/full cannot be opened while /dev/zero can.
pub const DEVICE_SCRIPT: &str = "(: < /dev/zero) || exit 1; (: < /dev/full) && exit 2; exit 0";

/// An update that writes `writes` and, if there are any, exchanges the device rules.
pub fn update(writes: Vec<CgroupWrite>, devices: Option<Vec<DeviceRule>>) -> CgroupUpdate {
    CgroupUpdate { writes, devices, properties: Vec::new(), memory_check: None, base: String::new() }
}
