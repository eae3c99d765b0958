//! Every option of the table, alone and against others.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;

const ATIME: u64 = MOUNT_ATTR__ATIME;

fn parse(options: &[&str]) -> MountOptions {
    MountOptions::parse(&options.iter().map(|option| (*option).to_owned()).collect::<Vec<_>>())
}

fn attr(set: u64, clear: u64) -> MountOptions {
    MountOptions { attr: AttrChange { set, clear }, ..Default::default() }
}

fn tree(set: u64, clear: u64) -> MountOptions {
    MountOptions { recursive_attr: AttrChange { set, clear }, ..Default::default() }
}

fn flag(flag: &'static str) -> MountOptions {
    MountOptions { flags: vec![flag], ..Default::default() }
}

fn propagation(flags: u64) -> MountOptions {
    MountOptions { propagation: vec![flags], ..Default::default() }
}

/// The numbers are those of `linux/mount.h`, on purpose not the constants of the table.
fn expected() -> Vec<(&'static str, MountOptions)> {
    let none = MountOptions::default;
    vec![
        ("async", none()),
        ("atime", attr(0, ATIME)),
        ("bind", MountOptions { bind: Some(false), ..none() }),
        ("defaults", none()),
        ("dev", attr(0, 0x4)),
        ("diratime", attr(0, 0x80)),
        ("dirsync", flag("dirsync")),
        ("exec", attr(0, 0x8)),
        ("idmap", MountOptions { refused: vec!["idmap"], ..none() }),
        ("iversion", MountOptions { told: vec!["iversion"], ..none() }),
        ("lazytime", flag("lazytime")),
        ("loud", none()),
        ("mand", flag("mand")),
        ("noatime", attr(0x10, ATIME)),
        ("nodev", attr(0x4, 0)),
        ("nodiratime", attr(0x80, 0)),
        ("noexec", attr(0x8, 0)),
        ("noiversion", none()),
        ("nolazytime", none()),
        ("nomand", none()),
        ("norelatime", none()),
        ("nostrictatime", attr(0, ATIME)),
        ("nosuid", attr(0x2, 0)),
        ("nosymfollow", attr(0x20_0000, 0)),
        ("private", propagation(1 << 18)),
        ("ratime", tree(0, ATIME)),
        ("rbind", MountOptions { bind: Some(true), ..none() }),
        ("rdev", tree(0, 0x4)),
        ("rdiratime", tree(0, 0x80)),
        ("relatime", attr(0, ATIME)),
        ("remount", MountOptions { remount: true, ..none() }),
        ("rexec", tree(0, 0x8)),
        ("ridmap", MountOptions { refused: vec!["ridmap"], ..none() }),
        ("rnoatime", tree(0x10, ATIME)),
        ("rnodev", tree(0x4, 0)),
        ("rnodiratime", tree(0x80, 0)),
        ("rnoexec", tree(0x8, 0)),
        ("rnorelatime", none()),
        ("rnostrictatime", tree(0, ATIME)),
        ("rnosuid", tree(0x2, 0)),
        ("rnosymfollow", tree(0x20_0000, 0)),
        ("ro", MountOptions { readonly: Some(true), ..none() }),
        ("rprivate", propagation(1 << 18 | 1 << 14)),
        ("rrelatime", tree(0, ATIME)),
        ("rro", tree(0x1, 0)),
        ("rrw", tree(0, 0x1)),
        ("rshared", propagation(1 << 20 | 1 << 14)),
        ("rslave", propagation(1 << 19 | 1 << 14)),
        ("rstrictatime", tree(0x20, ATIME)),
        ("rsuid", tree(0, 0x2)),
        ("rsymfollow", tree(0, 0x20_0000)),
        ("runbindable", propagation(1 << 17 | 1 << 14)),
        ("rw", MountOptions { readonly: Some(false), ..none() }),
        ("shared", propagation(1 << 20)),
        ("silent", none()),
        ("slave", propagation(1 << 19)),
        ("strictatime", attr(0x20, ATIME)),
        ("suid", attr(0, 0x2)),
        ("symfollow", attr(0, 0x20_0000)),
        ("sync", flag("sync")),
        ("tmpcopyup", MountOptions { copy_up: true, ..none() }),
        ("unbindable", propagation(1 << 17)),
    ]
}

#[test]
fn every_option_alone() {
    let expected = expected();
    assert!(TABLE.iter().map(|(name, _)| *name).eq(expected.iter().map(|(name, _)| *name)), "the table and the test differ");
    for (name, options) in expected {
        assert_eq!(parse(&[name]), options, "{name}");
    }
}

#[test]
fn the_table_is_sorted() {
    assert!(TABLE.is_sorted_by(|(a, _), (b, _)| a < b));
}

/// `mountOptions` of `runc features`, version 1.3.6.
#[test]
fn the_names_are_those_of_runc() {
    let runc = "async atime bind defaults dev diratime dirsync exec iversion lazytime loud mand noatime nodev nodiratime \
        noexec noiversion nolazytime nomand norelatime nostrictatime nosuid nosymfollow private ratime rbind rdev \
        rdiratime relatime remount rexec rnoatime rnodev rnodiratime rnoexec rnorelatime rnostrictatime rnosuid \
        rnosymfollow ro rprivate rrelatime rro rrw rshared rslave rstrictatime rsuid rsymfollow runbindable rw shared \
        silent slave strictatime suid symfollow sync tmpcopyup unbindable";
    assert_eq!(mount_option_names(), runc.split_whitespace().collect::<Vec<_>>());
}

/// Whatever two options come together: no bit is set and cleared at once, but for the access-time field, which is
/// cleared as a whole or not at all; and saying an option twice says it once.
#[test]
fn every_pair_makes_sense() {
    for (first, _) in TABLE {
        for (second, _) in TABLE {
            let options = parse(&[first, second]);
            for change in [options.attr, options.recursive_attr] {
                assert_eq!(change.set & change.clear & !ATIME, 0, "{first},{second}");
                assert!([0, ATIME].contains(&(change.clear & ATIME)), "{first},{second}");
                assert!(change.set & ATIME == 0 || change.clear & ATIME == ATIME, "{first},{second}");
            }
            let again = parse(&[first, second, second]);
            assert_eq!((again.attr, again.recursive_attr, again.flags), (options.attr, options.recursive_attr, options.flags));
        }
    }
}

#[test]
fn the_later_of_two_holds() {
    for (options, expected) in [
        (&["nosuid", "suid"][..], attr(0, 0x2)),
        (&["suid", "nosuid"], attr(0x2, 0)),
        (&["noatime", "strictatime"], attr(0x20, ATIME)),
        (&["strictatime", "noatime"], attr(0x10, ATIME)),
        (&["noatime", "atime"], attr(0, ATIME)),
        (&["strictatime", "atime"], attr(0x20, ATIME)),
        (&["noatime", "nostrictatime"], attr(0x10, ATIME)),
        (&["strictatime", "nostrictatime"], attr(0, ATIME)),
        (&["relatime", "norelatime"], attr(0, 0)),
        (&["noatime", "norelatime"], attr(0x10, ATIME)),
        (&["nodiratime", "noatime"], attr(0x90, ATIME)),
        (&["rro", "rrw"], tree(0, 0x1)),
        (&["sync", "async"], MountOptions::default()),
        (&["async", "sync"], flag("sync")),
        (&["sync", "dirsync", "sync"], MountOptions { flags: vec!["dirsync", "sync"], ..Default::default() }),
        (&["ro", "rw"], MountOptions { readonly: Some(false), ..Default::default() }),
        (&["rw", "ro"], MountOptions { readonly: Some(true), ..Default::default() }),
        (&["rbind", "bind"], MountOptions { bind: Some(true), ..Default::default() }),
        (&["private", "rslave"], MountOptions { propagation: vec![1 << 18, 1 << 19 | 1 << 14], ..Default::default() }),
    ] {
        assert_eq!(parse(options), expected, "{options:?}");
    }
}

#[test]
fn what_is_unknown_goes_to_the_filesystem() {
    for (option, expected) in [
        ("mode=755", &["mode=755"][..]),
        ("newinstance", &["newinstance"]),
        ("acl", &["acl"]),
        ("RO", &["RO"]),
        ("size=1,mode=7", &["size=1", "mode=7"]),
        ("", &[]),
        (",,a,", &["a"]),
        (r"lowerdir=/a\,b,x", &[r"lowerdir=/a\,b", "x"]),
        (r#"context="u:r:t:s0:c1,c2",x"#, &[r#"context="u:r:t:s0:c1,c2""#, "x"]),
    ] {
        assert_eq!(parse(&[option]).data, expected, "{option}");
    }
}
