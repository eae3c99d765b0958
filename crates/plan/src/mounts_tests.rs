//! Mount entries against the steps that they become.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::fixtures;

const NOSUID: u64 = 0x2;
const SAFE: u64 = 0xe;
const ATIME: u64 = 0x70;

fn resolved(mounts: &str) -> Result<Mounts, String> {
    let bundle = fixtures::bundle(&format!(r#"{{"ociVersion":"1.0.0","mounts":[{mounts}]}}"#));
    resolve(&bundle, &fixtures::facts(), &CgroupLayout::Disabled).map_err(|error| error.to_string())
}

fn one(mount: &str) -> Mount {
    let mut ops = resolved(mount).unwrap().ops;
    assert_eq!(ops.len(), 1, "{mount}");
    match ops.remove(0) {
        InitOp::Mount(mount) => mount,
        other => panic!("{other:?}"),
    }
}

fn new(fstype: &str, source: &str, flags: &[&'static str], options: &[&str]) -> MountKind {
    MountKind::New(NewFilesystem {
        fstype: CString::new(fstype).unwrap(),
        source: CString::new(source).unwrap(),
        flags: flags.to_vec(),
        options: options.iter().map(|option| (*option).to_owned()).collect(),
        copy_up: false,
    })
}

fn bind(source: &str, recursive: bool) -> MountKind {
    MountKind::Bind { source: source.into(), recursive }
}

#[test]
fn kinds() {
    for (mount, expected) in [
        (r#""type":"tmpfs","source":"shm","options":["nosuid","mode=1777"]"#, new("tmpfs", "shm", &[], &["mode=1777"])),
        (r#""type":"proc""#, new("proc", "none", &[], &[])),
        (r#""type":"proc","source":"""#, new("proc", "none", &[], &[])),
        (r#""type":"sysfs","source":"sysfs","options":["ro","sync"]"#, new("sysfs", "sysfs", &["sync", "ro"], &[])),
        (
            r#""type":"overlay","source":"o","options":["lowerdir=/a:/b,upperdir=/c"]"#,
            new("overlay", "o", &[], &["lowerdir=/a:/b", "upperdir=/c"]),
        ),
        (r#""type":"cgroup","source":"cgroup","options":["ro"]"#, new("cgroup2", "cgroup", &["ro"], &[])),
        (r#""type":"cgroup2""#, new("cgroup2", "none", &[], &[])),
        (r#""type":"bind","source":"/s","options":["rbind"]"#, bind("/s", true)),
        (r#""type":"bind","source":"/s","options":["bind"]"#, bind("/s", false)),
        (r#""type":"bind","source":"/s""#, bind("/s", false)),
        (r#""type":"none","source":"/s","options":["bind"]"#, bind("/s", false)),
        (r#""type":"tmpfs","source":"/s","options":["rbind"]"#, bind("/s", true)),
        (r#""type":"cgroup","source":"/s","options":["rbind"]"#, bind("/s", true)),
        (r#""source":"s/t","options":["rbind","sync","lazytime"]"#, bind("/bundle/s/t", true)),
        (r#""options":["remount","nosuid"]"#, MountKind::Remount),
        (r#""options":["remount","bind","ro"]"#, MountKind::Remount),
    ] {
        assert_eq!(one(&format!(r#"{{"destination":"/d",{mount}}}"#)).kind, expected, "{mount}");
    }
}

#[test]
fn errors() {
    for (mount, expected) in [
        (r#""type":"bind""#, "mounts[0].source: is missing, and a bind needs one"),
        (r#""type":"bind","source":"","options":["rbind"]"#, "mounts[0].source: is missing, and a bind needs one"),
        (r#""source":"x""#, "mounts[0].type: is missing, and no option asks for a bind"),
        (r#""type":"none","source":"x""#, "mounts[0].type: is missing, and no option asks for a bind"),
        (r#""type":"tm\u0000pfs""#, "mounts[0].type: contains a null byte"),
        (r#""type":"tmpfs","source":"a\u0000""#, "mounts[0].source: contains a null byte"),
        (r#""type":"tmpfs","options":["idmap"]"#, "mounts[0].options: idmap: not supported yet"),
        (r#""source":"/s","options":["rbind","ridmap"]"#, "mounts[0].options: ridmap: not supported yet"),
        (r#""type":"tmpfs","options":["remount","size=1m"]"#, "mounts[0].options: remount with size=1m: not supported yet"),
        (r#""options":["remount","sync"]"#, "mounts[0].options: remount with sync: not supported yet"),
    ] {
        let text = resolved(&format!(r#"{{"destination":"/d",{mount}}}"#)).unwrap_err();
        assert_eq!(text, format!("config.json: {expected}"), "{mount}");
    }
}

#[test]
fn attributes() {
    for (mount, set, clear) in [
        (r#""type":"bind","source":"/s","options":["rbind","rprivate"]"#, 0, 0),
        (r#""type":"bind","source":"/s","options":["rbind","ro"]"#, 1, 0),
        (r#""type":"bind","source":"/s","options":["rbind","rw"]"#, 0, 1),
        (r#""type":"bind","source":"/s","options":["bind","nosuid","noexec","nodev"]"#, SAFE, 0),
        (r#""type":"sysfs","options":["nosuid","noexec","nodev","ro"]"#, SAFE | 1, 0),
        (r#""type":"tmpfs","options":["nosuid","strictatime"]"#, NOSUID | 0x20, ATIME),
        (r#""options":["remount","ro"]"#, 1, 0),
    ] {
        assert_eq!(one(&format!(r#"{{"destination":"/d",{mount}}}"#)).attr, AttrChange { set, clear }, "{mount}");
    }
    let mount = one(r#"{"destination":"/d","type":"bind","source":"/s","options":["rbind","rro","rslave","shared"]}"#);
    assert_eq!((mount.attr, mount.recursive_attr), (AttrChange::default(), AttrChange { set: 1, clear: 0 }));
    assert_eq!(mount.propagation, [1 << 19 | 1 << 14, 1 << 20]);
}

/// tmpfs and `/dev` stay writable until what lies on them is made; nothing else waits.
#[test]
fn read_only_later() {
    for (mount, later) in [
        (r#""destination":"/t","type":"tmpfs","options":["ro"]"#, Some("/t")),
        (r#""destination":"/dev/","type":"tmpfs","options":["ro"]"#, Some("/dev")),
        (r#""destination":"dev","type":"bind","source":"/dev","options":["rbind","ro"]"#, Some("/dev")),
        (r#""destination":"/t","type":"tmpfs","options":["ro","rw"]"#, None),
        (r#""destination":"/t","type":"tmpfs""#, None),
        (r#""destination":"/dev/x","type":"bind","source":"/s","options":["bind","ro"]"#, None),
        (r#""destination":"/t","type":"tmpfs","source":"/s","options":["bind","ro"]"#, None),
        (r#""destination":"/sys","type":"sysfs","options":["ro"]"#, None),
    ] {
        let mounts = resolved(&format!("{{{mount}}}")).unwrap();
        let expected: Vec<InitOp> = later.iter().map(|path| InitOp::ReadonlyMount(path.into())).collect();
        assert_eq!(mounts.readonly_later, expected, "{mount}");
        let InitOp::Mount(found) = &mounts.ops[0] else { panic!("{mount}") };
        let now = mount.contains(r#""ro"]"#) && later.is_none();
        assert_eq!(found.attr, AttrChange { set: u64::from(now), clear: u64::from(mount.contains("rw")) }, "{mount}");
        if let MountKind::New(new) = &found.kind {
            assert_eq!(new.flags.contains(&"ro"), now, "{mount}");
        }
    }
}

#[test]
fn destinations() {
    for (path, expected) in [
        ("/", "/"),
        ("/a/b", "/a/b"),
        ("a/b/", "/a/b"),
        ("//a/./b//", "/a/b"),
        ("/a/../b", "/b"),
        ("../../b", "/b"),
        ("/a/..", "/"),
    ] {
        assert_eq!(destination(Path::new(path)).as_os_str(), expected, "{path}");
    }
}

#[test]
fn where_links_are_forbidden() {
    for (mount, expected) in [
        (r#""destination":"/proc","type":"proc""#, true),
        (r#""destination":"/p","type":"proc""#, true),
        (r#""destination":"/s","type":"sysfs""#, true),
        (r#""destination":"/sys","type":"bind","source":"/sys","options":["rbind"]"#, true),
        (r#""destination":"/dev/","type":"tmpfs""#, true),
        (r#""destination":"/dev/pts","type":"devpts""#, false),
        (r#""destination":"/sys/fs/cgroup","type":"cgroup""#, false),
        (r#""destination":"/d","type":"bind","source":"/proc","options":["rbind"]"#, false),
    ] {
        assert_eq!(one(&format!("{{{mount}}}")).no_symlinks, expected, "{mount}");
    }
}

#[test]
fn copy_up_is_for_tmpfs() {
    let MountKind::New(new) = one(r#"{"destination":"/d","type":"tmpfs","options":["tmpcopyup"]}"#).kind else { panic!() };
    assert!(new.copy_up);
    let MountKind::New(new) = one(r#"{"destination":"/d","type":"proc","options":["tmpcopyup"]}"#).kind else { panic!() };
    assert!(!new.copy_up);
}

#[test]
fn what_has_no_effect_is_told() {
    for (mount, told) in [
        (r#""type":"bind","source":"/s","options":["bind","size=1","x"]"#, &["size=1", "x"][..]),
        (r#""type":"bind","source":"/s","options":["bind","tmpcopyup","sync","defaults","silent"]"#, &["tmpcopyup"]),
        (r#""type":"tmpfs","options":["size=1","iversion","noiversion","tmpcopyup"]"#, &["iversion"]),
        (r#""type":"tmpfs","options":["nosuid","sync"]"#, &[]),
    ] {
        let warnings = resolved(&format!(r#"{{"destination":"/d",{mount}}}"#)).unwrap().warnings;
        let expected: Vec<String> =
            told.iter().map(|option| format!("mounts[0].options: {option} has no effect here and is ignored")).collect();
        assert_eq!(warnings, expected, "{mount}");
    }
}

#[test]
fn in_the_order_of_the_file() {
    let mounts =
        resolved(r#"{"destination":"/b","type":"proc"},{"destination":"/a","type":"tmpfs"},{"destination":"/b","type":"sysfs"}"#);
    let found: Vec<_> = mounts
        .unwrap()
        .ops
        .into_iter()
        .map(|op| match op {
            InitOp::Mount(mount) => (mount.index, mount.destination),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(found, [(0, "/b".into()), (1, "/a".into()), (2, "/b".into())]);
}
