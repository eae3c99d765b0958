//! Tests of the state root, on the real file system.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::dir::tests::Root;
use crate::*;
use std::os::unix::fs::PermissionsExt;

fn mode(path: &std::path::Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn create_makes_the_root_and_takes_the_id_once() {
    let root = Root::new("create");
    let dir = root.0.create("c").unwrap();
    assert_eq!((mode(root.0.root()), mode(dir.path())), (0o700, 0o711));
    let error = root.0.create("c").unwrap_err().to_string();
    assert_eq!(
        error,
        "container with given id already exists: c (being created, or left by an interrupted create; delete --force c removes that)"
    );
    let record = Record { init: Some(Init { pid: u32::MAX, start_time: 1 }), bundle: "/b".into(), ..Record::default() };
    dir.save(&record).unwrap();
    assert!(root.0.create("c").unwrap_err().to_string().ends_with("(stopped, bundle /b)"));
}

#[test]
fn unknown_and_bad_ids() {
    let root = Root::new("unknown");
    assert!(matches!(root.0.open("c"), Err(Error::NotExist)));
    assert!(matches!(root.0.open("../c"), Err(Error::InvalidId(_))));
    let error = root.0.create("a b").unwrap_err().to_string();
    assert!(error.contains("\"a b\""), "{error}");
    assert!(!root.0.root().exists());
}

#[test]
fn a_symlink_is_no_container() {
    let root = Root::new("link");
    root.0.create("c").unwrap();
    std::os::unix::fs::symlink("/etc", root.0.root().join("l")).unwrap();
    assert!(matches!(root.0.open("l"), Err(Error::Io("open", ..))));
    assert_eq!(root.0.ids().unwrap(), ["c"]);
}

#[test]
fn ids_are_sorted_and_leave_out_what_is_half_removed() {
    let root = Root::new("ids");
    assert_eq!(root.0.ids().unwrap(), Vec::<String>::new());
    for id in ["b", "a", ".x"] {
        root.0.create(id).unwrap();
    }
    std::fs::create_dir_all(root.0.root().join(".a~/sub")).unwrap();
    std::fs::create_dir_all(root.0.root().join(".b~")).unwrap();
    std::fs::write(root.0.root().join("file"), "").unwrap();
    assert_eq!(root.0.ids().unwrap(), [".x", "a", "b"]);
    root.0.sweep("a").unwrap();
    let mut left = root.left();
    left.sort();
    assert_eq!(left, [".b~", ".x", "a", "b", "file"]);
}

#[test]
fn the_longest_id_can_be_removed() {
    let root = Root::new("long");
    let id = "x".repeat(255);
    root.0.create(&id).unwrap().remove().unwrap();
    assert!(root.left().is_empty());
}
