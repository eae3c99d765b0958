//! The sampled walk as a test, for shells and for modules, once for each cgroup version; `SKIFF_FAULTS=full` walks every step.
#![allow(clippy::unwrap_used)]

use std::fs::OpenOptions;
use std::io::Write;
use std::process::Command;

fn walk(name: &str, view: &str, workloads: &[&str]) {
    let runtime = skiff_testbed::runtime().unwrap();
    let mode = if std::env::var("SKIFF_FAULTS").is_ok_and(|mode| mode == "full") { "--full" } else { "--quick" };
    let mut command = Command::new(env!("CARGO_BIN_EXE_skiff-faults"));
    command.args([mode, "--cgroup", view]).env("RUNTIME", runtime);
    let out = command.args(workloads.iter().flat_map(|workload| ["--workload", workload])).output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{text}{}", String::from_utf8_lossy(&out.stderr));
    let skipped: Vec<&str> = text.lines().filter(|line| line.contains(": skipped: ")).collect();
    if !skipped.is_empty() {
        say_skipped(name, &skipped.join("; "));
    }
}

/// Past libtest's capture, and to the file that `SKIFF_SKIP_LOG` names, where each line is one test.
fn say_skipped(name: &str, reasons: &str) {
    let line = format!("skipped: {name}: {reasons}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
    if let Some(path) = std::env::var_os("SKIFF_SKIP_LOG") {
        OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(line.as_bytes()).unwrap();
    }
}

const MODULES: [&str; 4] = ["interpreted", "cached", "background", "before-start"];

#[test]
fn nothing_is_left_on_cgroup_v1() {
    walk("nothing_is_left_on_cgroup_v1", "v1", &["native"]);
}

#[test]
fn nothing_is_left_on_cgroup_v2() {
    walk("nothing_is_left_on_cgroup_v2", "v2", &["native"]);
}

#[test]
fn nothing_is_left_of_modules_on_cgroup_v1() {
    walk("nothing_is_left_of_modules_on_cgroup_v1", "v1", &MODULES);
}

#[test]
fn nothing_is_left_of_modules_on_cgroup_v2() {
    walk("nothing_is_left_of_modules_on_cgroup_v2", "v2", &MODULES);
}
