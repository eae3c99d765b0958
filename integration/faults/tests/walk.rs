//! The sampled walk as a test, once for each cgroup version; `SKIFF_FAULTS=full` walks every step.
#![allow(clippy::unwrap_used)]

use std::process::Command;

fn walk(view: &str) {
    let runtime = skiff_testbed::runtime().unwrap();
    let mode = if std::env::var("SKIFF_FAULTS").is_ok_and(|mode| mode == "full") { "--full" } else { "--quick" };
    let out =
        Command::new(env!("CARGO_BIN_EXE_skiff-faults")).args([mode, "--cgroup", view]).env("RUNTIME", runtime).output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{text}{}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn nothing_is_left_on_cgroup_v1() {
    walk("v1");
}

#[test]
fn nothing_is_left_on_cgroup_v2() {
    walk("v2");
}
