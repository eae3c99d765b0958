//! Every check with its words.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::{Value, json};

use super::*;
use crate::fixtures;

fn valid() -> Value {
    json!({
        "ociVersion": "1.2.1",
        "process": {"user": {}, "cwd": "/", "args": ["sh"]},
        "root": {"path": "rootfs"},
        "linux": {"namespaces": [{"type": "mount"}]}
    })
}

/// The valid document with `value` at `pointer`; a null takes the field away.
fn with(pointer: &str, value: Value) -> Value {
    let mut document = valid();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = document.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    if value.is_null() {
        parent.remove(name);
    } else {
        parent.insert(name.to_owned(), value);
    }
    document
}

fn outcome(document: &Value) -> Result<(), String> {
    run(&fixtures::bundle(&document.to_string())).map_err(|error| error.to_string())
}

#[test]
fn the_valid_document_is_valid() {
    assert_eq!(outcome(&valid()), Ok(()));
}

#[test]
fn every_error() {
    let semver = "is no semantic version (major.minor.patch)";
    let mount = |destination: &str, fstype: &str| json!([{"destination": destination, "type": fstype}]);
    let inside = |path: &str| format!("mounts[0].destination: `{path}` is inside /proc, where only a proc filesystem belongs");
    let cases: Vec<(&str, Value, String)> = vec![
        ("/ociVersion", Value::Null, "ociVersion: is missing".into()),
        ("/ociVersion", json!("1.0"), format!("ociVersion: `1.0` {semver}")),
        ("/ociVersion", json!("1.x.0"), format!("ociVersion: `1.x.0` {semver}")),
        ("/ociVersion", json!("1.0.0-"), format!("ociVersion: `1.0.0-` {semver}")),
        ("/ociVersion", json!("2.0.0"), "ociVersion: `2.0.0` is not supported, only 1.x is".into()),
        ("/ociVersion", json!("10.0.0"), "ociVersion: `10.0.0` is not supported, only 1.x is".into()),
        ("/ociVersion", json!("0.1.0"), "ociVersion: `0.1.0` is not supported, only 1.x is".into()),
        ("/process", Value::Null, "process: is missing".into()),
        ("/process/args", Value::Null, "process.args: is empty".into()),
        ("/process/args", json!([]), "process.args: is empty".into()),
        ("/process/env", json!(["A=1", "B"]), "process.env[1]: `B` has no `=`".into()),
        ("/process/env", json!(["=1"]), "process.env[0]: `=1` has no name".into()),
        ("/process/cwd", json!(""), "process.cwd: `` is not an absolute path".into()),
        ("/process/cwd", json!("tmp"), "process.cwd: `tmp` is not an absolute path".into()),
        ("/process/user/uid", json!(u32::MAX), "process.user.uid: 4294967295 is no valid id".into()),
        ("/process/user/gid", json!(u32::MAX), "process.user.gid: 4294967295 is no valid id".into()),
        ("/process/user/additionalGids", json!([1, u32::MAX]), "process.user.additionalGids: 4294967295 is no valid id".into()),
        (
            "/process/rlimits",
            json!([{"type": "RLIMIT_CORE"}, {"type": "RLIMIT_NOFILE"}, {"type": "RLIMIT_CORE"}]),
            "process.rlimits[2].type: RLIMIT_CORE is there twice".into(),
        ),
        (
            "/process/rlimits",
            json!([{"type": "RLIMIT_CORE", "soft": 2, "hard": 1}]),
            "process.rlimits[0].soft: 2 is above the hard limit 1".into(),
        ),
        ("/process/oomScoreAdj", json!(1001), "process.oomScoreAdj: 1001 is not between -1000 and 1000".into()),
        ("/root", Value::Null, "root: is missing".into()),
        ("/hostname", json!("h"), "hostname: needs a uts namespace of the container's own".into()),
        ("/hostname", json!("h\0"), "hostname: contains a null byte".into()),
        ("/domainname", json!("h"), "domainname: needs a uts namespace of the container's own".into()),
        ("/domainname", json!("d".repeat(65)), format!("domainname: `{}` is longer than 64 bytes", "d".repeat(65))),
        ("/mounts", mount("", "tmpfs"), "mounts[0].destination: is missing".into()),
        ("/mounts", mount("/a\0", "tmpfs"), "mounts[0].destination: contains a null byte".into()),
        ("/mounts", json!([{"destination": "/a", "source": "\0"}]), "mounts[0].source: contains a null byte".into()),
        ("/mounts", json!([{"destination": "/a", "options": ["x\0"]}]), "mounts[0].options: contains a null byte".into()),
        ("/mounts", mount("/proc", "tmpfs"), inside("/proc")),
        ("/mounts", mount("/proc/acpi", "tmpfs"), inside("/proc/acpi")),
        ("/mounts", mount("/a/../proc/self/attr", "bind"), inside("/proc/self/attr")),
        ("/annotations", json!({"": "x"}), "annotations: a key is empty".into()),
        ("/linux", Value::Null, "linux.namespaces: a mount namespace is required".into()),
        ("/linux/namespaces", json!([]), "linux.namespaces: a mount namespace is required".into()),
        ("/linux/namespaces", json!([{"type": "pid"}]), "linux.namespaces: a mount namespace is required".into()),
        (
            "/linux/namespaces",
            json!([{"type": "mount"}, {"type": "network"}, {"type": "network", "path": "/x"}]),
            "linux.namespaces[2].type: network is there twice".into(),
        ),
        ("/linux/sysctl", json!({"net.a": "1"}), "linux.sysctl: net.a: needs a network namespace of the container's own".into()),
        ("/linux/maskedPaths", json!(["/a", "b"]), "linux.maskedPaths[1]: `b` is not an absolute path".into()),
        ("/linux/readonlyPaths", json!([""]), "linux.readonlyPaths[0]: `` is not an absolute path".into()),
        ("/linux/rootfsPropagation", json!("odd"), "linux.rootfsPropagation: `odd` is not known".into()),
        ("/root/path", json!("/"), "root.path: is the root of the host".into()),
    ];
    for (pointer, value, expected) in cases {
        assert_eq!(outcome(&with(pointer, value)), Err(format!("config.json: {expected}")), "{pointer}");
    }
}

#[test]
fn what_is_fine() {
    let uts = json!([{"type": "mount"}, {"type": "uts"}]);
    let mut named = with("/linux/namespaces", uts);
    named["hostname"] = json!("h".repeat(64));
    named["domainname"] = json!("d");
    assert_eq!(outcome(&named), Ok(()));
    for (pointer, value) in [
        ("/ociVersion", json!("1.0.2-dev")),
        ("/ociVersion", json!("1.99.0")),
        ("/ociVersion", json!("1.0.0-rc.1+build.5")),
        ("/hostname", json!("")),
        ("/process/env", json!(["A=", "A=1", "B=x=y"])),
        ("/process/oomScoreAdj", json!(-1000)),
        ("/process/rlimits", json!([{"type": "RLIMIT_CORE", "soft": u64::MAX, "hard": u64::MAX}])),
        ("/mounts", json!([{"destination": "proc", "type": "proc"}])),
        ("/mounts", json!([{"destination": "/proc", "type": "bind", "source": "/proc", "options": ["rbind"]}])),
        ("/mounts", json!([{"destination": "/proc/uptime", "type": "bind", "source": "/l", "options": ["bind"]}])),
        ("/mounts", json!([{"destination": "/proc/sys", "options": ["remount", "ro"]}])),
        ("/mounts", json!([{"destination": "/processes", "type": "tmpfs"}])),
        ("/linux/maskedPaths", json!(["/a/../b"])),
        ("/linux/rootfsPropagation", json!("")),
        ("/annotations", json!({"org.systemd.property.X": "y", "unknown": ""})),
        ("/unknown", json!({"a": [1]})),
    ] {
        assert_eq!(outcome(&with(pointer, value)), Ok(()), "{pointer}");
    }
}
