//! The root directory with one directory a container. Making a container's directory is the lock on its id.

use crate::dir::{aside, remove_tree};
use crate::{Error, StateDir, check_id};
use nix::errno::Errno;
use nix::sys::stat::Mode;
use nix::unistd::mkdir;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The state root (`--root`).
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// Nothing is touched until a container is made or opened. `root` is absolute.
    pub fn new(root: PathBuf) -> Store {
        Store { root }
    }

    /// Where it lies.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Takes the id, and the lock. The root (0700) is made when missing; the directory itself is 0711, as runc's.
    pub fn create(&self, id: &str) -> Result<StateDir, Error> {
        check_id(id)?;
        match self.mkdir(id) {
            Err(Errno::ENOENT) => {
                self.make_root()?;
                self.mkdir(id)
            }
            other => other,
        }
        .map_err(|errno| match errno {
            Errno::EEXIST => Error::InUse(id.to_owned(), self.holder(id)),
            other => Error::io("make", self.root.join(id), other),
        })?;
        let dir = StateDir::open(&self.root, id).map_err(|e| Error::io("open", self.root.join(id), e));
        let locked = dir.and_then(|dir| dir.lock_new().map(|()| dir));
        if locked.is_err() {
            // It is empty still; the first error is the one to tell.
            let _ = std::fs::remove_dir(self.root.join(id));
        }
        locked
    }

    /// Opens a container's directory; [`Error::NotExist`] when there is none.
    pub fn open(&self, id: &str) -> Result<StateDir, Error> {
        check_id(id)?;
        StateDir::open(&self.root, id).map_err(|errno| match errno {
            Errno::ENOENT => Error::NotExist,
            other => Error::io("open", self.root.join(id), other),
        })
    }

    /// The ids of all containers, sorted. A missing root is an empty one.
    pub fn ids(&self) -> Result<Vec<String>, Error> {
        let mut ids: Vec<String> = self.names()?.into_iter().filter(|name| check_id(name).is_ok()).collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// Removes what a killed `delete` (or a killed clean-up) of this id left half removed.
    pub fn sweep(&self, id: &str) -> Result<(), Error> {
        check_id(id)?;
        let aside = self.root.join(aside(id));
        remove_tree(&aside).map_err(|e| Error::io("remove", aside, e))
    }

    /// The names of all directories in the root that are text.
    fn names(&self) -> Result<Vec<String>, Error> {
        let entries = match std::fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::io("read", &self.root, error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|e| Error::io("read", &self.root, e))?;
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                names.extend(entry.file_name().into_string().ok());
            }
        }
        Ok(names)
    }

    fn mkdir(&self, id: &str) -> nix::Result<()> {
        mkdir(&self.root.join(id), Mode::from_bits_truncate(0o711))
    }

    fn make_root(&self) -> Result<(), Error> {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700).create(&self.root).map_err(|e| Error::io("make", &self.root, e))
    }

    /// What holds an id, for the message of [`Error::InUse`]. Whether it is frozen is not worth asking here.
    fn holder(&self, id: &str) -> String {
        let interrupted = || format!("being created, or left by an interrupted create; delete --force {id} removes that");
        let Ok(dir) = self.open(id) else { return "being deleted".to_owned() };
        match dir.load() {
            Ok(record) if record.init.is_none() => interrupted(),
            Ok(record) => format!("{}, bundle {}", dir.status(&record, false).as_str(), record.bundle.display()),
            Err(Error::NoRecord(_)) => interrupted(),
            Err(error) => error.to_string(),
        }
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
