//! The same bundles under libcontainer's builder and under skiff must look the same from inside.
#![allow(clippy::unwrap_used)]

mod allowed;
mod cases;
mod probe;

use allowed::{ALLOWED, Allowed};
use cases::{CASES, Case};
use skiff_testbed::bundle::{default_spec, make_rootfs, set_args, write_config};
use skiff_testbed::view::View;
use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn on_cgroup_v1() {
    compare_all(View::V1);
}

#[test]
fn on_cgroup_v2() {
    compare_all(View::V2);
}

/// Enters the view with this test's thread only: the runtimes are its children.
fn compare_all(view: View) {
    if !view.is_available() {
        return;
    }
    view.enter().unwrap();
    let dir = std::env::temp_dir().join(format!("skiff-oracle-{view}-{}", std::process::id()));
    let mut used = HashSet::new();
    let mut failures = Vec::new();
    for case in &CASES {
        failures.extend(compare(case, view, &dir, &mut used));
    }
    remove_cgroups(view, &dir);
    fs::remove_dir_all(&dir).unwrap();
    if view == View::V1 {
        let idle = ALLOWED.iter().enumerate().filter(|(index, _)| !used.contains(index));
        failures.extend(idle.map(|(_, one)| format!("never needed: {} {} {}: {}", one.case, one.starts, one.holds, one.reason)));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// One text for each line that only one side shows, the runtimes' errors included.
fn compare(case: &Case, view: View, dir: &Path, used: &mut HashSet<usize>) -> Vec<String> {
    let oracle = seen_under(Path::new(env!("CARGO_BIN_EXE_skiff-oracle")), case, view, dir);
    let skiff = seen_under(&skiff_testbed::runtime().unwrap(), case, view, dir);
    let (oracle, skiff) = match (oracle, skiff) {
        (Ok(oracle), Ok(skiff)) => (oracle, skiff),
        (oracle, skiff) => {
            let errors = [("libcontainer", oracle.err()), ("the runtime", skiff.err())]
                .into_iter()
                .filter_map(|(who, error)| Some((who, error?)));
            return errors.map(|(who, error)| format!("{}: {who} fails: {error}", case.name)).collect();
        }
    };
    let lost = oracle.difference(&skiff).map(|line| ("only libcontainer", line));
    let new = skiff.difference(&oracle).map(|line| ("only the runtime", line));
    let mut failures = Vec::new();
    for (side, line) in lost.chain(new) {
        let allowed: Vec<usize> = (0..ALLOWED.len()).filter(|index| covers(&ALLOWED[*index], case, line)).collect();
        if allowed.is_empty() {
            failures.push(format!("{}: {side}: {line}", case.name));
        }
        used.extend(allowed);
    }
    failures
}

fn covers(allowed: &Allowed, case: &Case, line: &str) -> bool {
    (allowed.case == "*" || allowed.case == case.name) && line.starts_with(allowed.starts) && line.contains(allowed.holds)
}

/// Runs the case's bundle, made anew, and returns what the probe printed.
fn seen_under(runtime: &Path, case: &Case, view: View, dir: &Path) -> Result<BTreeSet<String>, String> {
    let _ = fs::remove_dir_all(dir);
    make_rootfs(dir).unwrap();
    fs::create_dir_all(dir.join("data/sub")).unwrap();
    fs::write(dir.join("data/hosts"), "127.0.0.1 localhost\n").unwrap();
    let mut spec = default_spec();
    (case.change)(&mut spec, dir, view);
    set_args(&mut spec, &["/bin/sh", "-c", probe::SCRIPT]);
    let id = format!("oracle-{view}-{}", std::process::id());
    spec["linux"]["cgroupsPath"] = format!("/{}/{id}", parent(dir).display()).into();
    write_config(dir, &spec).unwrap();
    let mut run = Command::new(runtime);
    run.arg("--root").arg(dir.join("state")).args(["run", "--bundle"]).arg(dir).arg(&id);
    let out = run.current_dir(dir).output().unwrap();
    if !out.status.success() {
        return Err(format!("{}: {}", out.status, String::from_utf8_lossy(&out.stderr)));
    }
    Ok(probe::lines(&String::from_utf8_lossy(&out.stdout)))
}

/// The cgroup above the containers: the test's directory by name.
fn parent(dir: &Path) -> PathBuf {
    dir.file_name().unwrap().into()
}

/// The runtimes leave the parents of a container's cgroup alone, as they should.
fn remove_cgroups(view: View, dir: &Path) {
    let top = Path::new("/sys/fs/cgroup");
    if view == View::V2 {
        let _ = fs::remove_dir(top.join(parent(dir)));
        return;
    }
    for hierarchy in fs::read_dir(top).unwrap().flatten() {
        let _ = fs::remove_dir(hierarchy.path().join(parent(dir)));
    }
}
