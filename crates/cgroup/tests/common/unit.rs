//! What the tests of the systemd driver share: a unit that one test asks for, and what systemctl says of it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use nix::unistd::geteuid;
use skiff_cgroup::{UnitRecord, facts, planned};
use skiff_plan::{CgroupFacts, CgroupLayout, CgroupPlan, CgroupWrite, Hierarchy, SystemdUnit, UnitProperty, V1Dir, Variant};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The harness names a test's thread after it.
pub fn skip(why: &str) {
    crate::common::skip(std::thread::current().name().unwrap_or("a test"), why);
}

pub fn systemctl(arguments: &[&str]) -> String {
    let user: &[&str] = if geteuid().is_root() { &[] } else { &["--user"] };
    let output = Command::new("systemctl").args(user).args(arguments).stderr(Stdio::null()).output();
    output.map_or(String::new(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

pub fn show(unit: &str, property: &str) -> String {
    systemctl(&["show", "-p", property, "--value", "--", unit])
}

/// A unit that one test may ask for; whatever is there at the end is stopped.
pub struct Unit {
    pub name: String,
    pub facts: CgroupFacts,
    /// The manager's own cgroup.
    pub root: PathBuf,
}

impl Unit {
    pub fn new(test: &str, suffix: &str) -> Option<Unit> {
        if systemctl(&["show", "-p", "Version", "--value"]).is_empty() {
            skip("no systemd runs here");
            return None;
        }
        let root = show("-.slice", "ControlGroup").trim_matches('/').into();
        // A slice's name says where it lies: no dashes.
        let name = format!("skifftest{}{test}.{suffix}", std::process::id());
        Some(Unit { name, facts: facts(false).unwrap(), root })
    }

    /// On version 2.
    pub fn of(test: &str, suffix: &str) -> Option<Unit> {
        let unit = Unit::new(test, suffix)?;
        let there = matches!(unit.facts, CgroupFacts::V2 { .. });
        if !there {
            skip("this host has version 1 hierarchies");
        }
        Some(unit).filter(|_| there)
    }

    pub fn scope(test: &str) -> Option<Unit> {
        Unit::of(test, "scope")
    }

    /// On either version.
    pub fn any(test: &str) -> Option<Unit> {
        let unit = Unit::new(test, "scope")?;
        let there = matches!(unit.facts, CgroupFacts::V2 { .. }) || geteuid().is_root();
        if !there {
            skip("not root, and this host has version 1 hierarchies");
        }
        Some(unit).filter(|_| there)
    }

    /// On version 1, where only root can have a cgroup.
    pub fn v1(test: &str, suffix: &str) -> Option<Unit> {
        let unit = Unit::new(test, suffix)?;
        let there = matches!(unit.facts, CgroupFacts::V1(_)) && geteuid().is_root();
        if !there {
            skip("not root, or this host has only version 2");
        }
        Some(unit).filter(|_| there)
    }

    /// Mount point of version 2.
    pub fn mount(&self) -> &Path {
        match &self.facts {
            CgroupFacts::V2 { mount, .. } => mount,
            other => panic!("{other:?}"),
        }
    }

    pub fn record(&self) -> UnitRecord {
        UnitRecord { name: self.name.clone(), user: !geteuid().is_root() }
    }

    pub fn dir(&self, slice: &str) -> PathBuf {
        self.mount().join(&self.root).join(slice).join(&self.name)
    }

    /// In `system.slice` or `app.slice`, delegated, as the plan of a container has it.
    pub fn plan(&self, properties: Vec<UnitProperty>, writes: Vec<CgroupWrite>) -> CgroupPlan {
        let slice = if geteuid().is_root() { "system.slice" } else { "app.slice" };
        self.plan_in(slice, slice, properties, writes)
    }

    pub fn plan_in(&self, slice: &str, place: &str, properties: Vec<UnitProperty>, writes: Vec<CgroupWrite>) -> CgroupPlan {
        let UnitRecord { name, user } = self.record();
        let mut all = vec![property("DefaultDependencies", Variant::Bool(false))];
        if name.ends_with(".scope") {
            all.push(property("Delegate", Variant::Bool(true)));
        }
        all.extend(properties);
        let unit = Some(SystemdUnit { name, slice: slice.into(), user, properties: all });
        let path = self.root.join(place).join(&self.name);
        CgroupPlan { unit, writes, ..CgroupPlan::bare(self.layout(path)) }
    }

    pub fn layout(&self, path: PathBuf) -> CgroupLayout {
        match &self.facts {
            CgroupFacts::V1(hierarchies) => {
                let dir =
                    |h: &Hierarchy| V1Dir { mount: h.mount.clone(), controllers: h.controllers.clone(), path: path.clone() };
                CgroupLayout::V1(hierarchies.iter().map(dir).collect())
            }
            _ => {
                let controllers = ["memory", "pids", "cpu"].map(str::to_owned).to_vec();
                CgroupLayout::V2 { mount: self.mount().to_owned(), path, controllers }
            }
        }
    }

    pub fn show(&self, property: &str) -> String {
        show(&self.name, property)
    }

    /// Nothing of it is left: systemd does not know it, and there is no directory.
    pub fn assert_gone(&self, plan: &CgroupPlan) {
        // Any slice can be had for the asking.
        let (property, wanted) =
            if self.name.ends_with(".slice") { ("ActiveState", "inactive") } else { ("LoadState", "not-found") };
        assert_eq!(self.show(property), wanted);
        for (_, dir) in planned(plan).dirs {
            assert!(!dir.exists(), "{}", dir.display());
        }
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        if self.show("LoadState") != "not-found" {
            systemctl(&["kill", "-s", "KILL", &self.name]);
            systemctl(&["stop", &self.name]);
            systemctl(&["reset-failed", &self.name]);
        }
    }
}

pub fn property(name: &str, value: Variant) -> UnitProperty {
    UnitProperty { name: name.into(), value, since: 0 }
}
