//! Tests of a container's directory, on the real file system.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::*;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

/// A root of its own for each test, gone at its end.
pub(crate) struct Root(pub(crate) Store);

impl Root {
    pub(crate) fn new(name: &str) -> Root {
        let path = std::env::temp_dir().join(format!("skiff-state-{}-{name}", std::process::id()));
        Root(Store::new(path))
    }

    pub(crate) fn left(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.0.root()).unwrap();
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.0.root());
    }
}

fn this_process() -> Init {
    let pid = std::process::id();
    Init { pid, start_time: start_time(pid).unwrap().unwrap().0 }
}

#[test]
fn record_is_private_and_survives() {
    let root = Root::new("record");
    let dir = root.0.create("c").unwrap();
    assert!(matches!(dir.load(), Err(Error::NoRecord(_))));
    let mut record = Record { version: RECORD_VERSION, id: "c".into(), ..Record::default() };
    dir.save(&record).unwrap();
    record.init = Some(this_process());
    dir.save(&record).unwrap();
    assert_eq!(dir.load().unwrap(), record);
    let mode = std::fs::metadata(dir.path().join("state.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn record_of_a_newer_skiff_and_garbage_are_refused() {
    let root = Root::new("newer");
    let dir = root.0.create("c").unwrap();
    std::fs::write(dir.path().join("state.json"), r#"{"version":99}"#).unwrap();
    assert!(dir.load().unwrap_err().to_string().contains("newer skiff (format 99)"));
    std::fs::write(dir.path().join("state.json"), "[}").unwrap();
    assert!(matches!(dir.load(), Err(Error::BadRecord(..))));
}

#[test]
fn a_first_record_that_is_cut_short_is_none() {
    let root = Root::new("cut");
    let dir = root.0.create("c").unwrap();
    dir.save_first(&Record { version: RECORD_VERSION, id: "c".into(), ..Record::default() }).unwrap();
    assert!(dir.load().is_ok());
    let whole = std::fs::read(dir.path().join("state.json")).unwrap();
    for length in 0..whole.len() {
        std::fs::write(dir.path().join("state.json"), &whole[..length]).unwrap();
        assert!(matches!(dir.load(), Err(Error::NoRecord(_))), "{length}");
    }
}

#[test]
fn record_behind_a_symlink_is_refused() {
    let root = Root::new("symlink");
    let dir = root.0.create("c").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", dir.path().join("state.json")).unwrap();
    assert!(matches!(dir.load(), Err(Error::Io("read", ..))));
}

#[test]
fn fifo_tells_started_from_dead() {
    let root = Root::new("fifo");
    let dir = root.0.create("c").unwrap();
    assert!(!dir.has_fifo());
    assert!(matches!(dir.open_fifo_to_start(), Err(Error::NoFifo)));
    let init_end = dir.make_fifo().unwrap();
    let meta = std::fs::symlink_metadata(dir.path().join("exec.fifo")).unwrap();
    assert!(meta.file_type().is_fifo() && dir.has_fifo());
    assert_eq!(meta.permissions().mode() & 0o777, 0o600);
    assert!(dir.open_fifo_to_start().is_ok());
    drop(init_end);
    assert!(matches!(dir.open_fifo_to_start(), Err(Error::NoReader)));
    dir.remove_fifo().unwrap();
    dir.remove_fifo().unwrap();
    assert!(!dir.has_fifo());
}

#[test]
fn status_is_derived() {
    let root = Root::new("status");
    let dir = root.0.create("c").unwrap();
    let mut record = Record::default();
    assert_eq!(dir.status(&record, false), Status::Creating);
    record.init = Some(this_process());
    let fifo = dir.make_fifo().unwrap();
    assert_eq!(dir.status(&record, false), Status::Created);
    drop(fifo);
    dir.remove_fifo().unwrap();
    assert_eq!(dir.status(&record, false), Status::Running);
    assert_eq!(dir.status(&record, true), Status::Paused);
    record.init = Some(Init { pid: std::process::id(), start_time: 1 });
    assert_eq!(dir.status(&record, true), Status::Stopped);
}

#[test]
fn lock_excludes_and_is_given_back() {
    let root = Root::new("lock");
    let dir = root.0.create("c").unwrap();
    dir.lock().unwrap();
    let same = Path::new("/proc/self/fd").join(dir.as_fd().as_raw_fd().to_string());
    let again = || nix::fcntl::Flock::lock(std::fs::File::open(&same).unwrap(), nix::fcntl::FlockArg::LockExclusiveNonblock);
    assert!(again().is_err());
    dir.unlock();
    assert!(again().is_ok());
}

#[test]
fn lock_of_a_deleted_container_is_refused() {
    let root = Root::new("lock-deleted");
    let dir = root.0.create("c").unwrap();
    root.0.open("c").unwrap().remove().unwrap();
    assert!(matches!(dir.lock(), Err(Error::NotExist)));
}

#[test]
fn remove_takes_everything_and_only_that() {
    let root = Root::new("remove");
    let dir = root.0.create("c").unwrap();
    dir.save(&Record::default()).unwrap();
    let _fifo = dir.make_fifo().unwrap();
    std::fs::create_dir_all(dir.path().join("a/b")).unwrap();
    let outside = root.0.root().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("keep"), "").unwrap();
    std::os::unix::fs::symlink(&outside, dir.path().join("a/link")).unwrap();
    std::fs::create_dir(root.0.root().join(".c~")).unwrap();
    std::fs::write(root.0.root().join(".c~/old"), "").unwrap();
    dir.remove().unwrap();
    assert_eq!(root.left(), ["outside"]);
    assert!(outside.join("keep").exists());
}
