//! The directory of one container: its record, its start fifo, its lock. Everything goes through the directory's
//! descriptor, so a directory that is renamed aside or replaced meanwhile is never mistaken for ours.

use crate::{Error, Record, process, tree};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, Flock, FlockArg, OFlag, openat, renameat};
use nix::sys::stat::{Mode, fstat};
use nix::unistd::{AccessFlags, UnlinkatFlags, faccessat, mkfifoat, unlinkat};
use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

const RECORD: &str = "state.json";
const RECORD_NEW: &str = "state.json.new";
const FIFO: &str = "exec.fifo";

/// A container's status, as `state` and `list` print it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// `create` is at work, or was killed.
    Creating,
    /// init waits for `start`.
    Created,
    /// The container's program runs.
    Running,
    /// Its cgroup is frozen.
    Paused,
    /// init is gone.
    Stopped,
}

impl Status {
    /// The word of the runtime specification; `paused` is runc's.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Creating => "creating",
            Status::Created => "created",
            Status::Running => "running",
            Status::Paused => "paused",
            Status::Stopped => "stopped",
        }
    }
}

/// The state directory of one container, open.
#[derive(Debug)]
pub struct StateDir {
    id: String,
    path: PathBuf,
    fd: OwnedFd,
}

/// An exclusive lock on a container, given back on drop. A process that inherits the descriptor keeps the lock's file
/// open but must only close it, never drop this value.
#[derive(Debug)]
pub struct Lock(Flock<OwnedFd>);

impl AsFd for Lock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsFd for StateDir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl StateDir {
    /// Opens the directory; `ENOENT` is left to the caller.
    pub(crate) fn open(root: &Path, id: &str) -> nix::Result<StateDir> {
        let path = root.join(id);
        let fd = nix::fcntl::open(&path, directory_flags(), Mode::empty())?;
        Ok(StateDir { id: id.to_owned(), path, fd })
    }

    /// The container's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where the directory lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until no other command changes the container. [`Error::NotExist`] when it was deleted meanwhile.
    pub fn lock(&self) -> Result<Lock, Error> {
        let own = openat(&self.fd, ".", directory_flags(), Mode::empty()).map_err(|e| self.error("open", "", e))?;
        let lock = lock_exclusive(own).map_err(|e| self.error("lock", "", e))?;
        match fstat(&*lock) {
            Ok(stat) if stat.st_nlink == 0 => Err(Error::NotExist),
            Ok(_) => Ok(Lock(lock)),
            Err(errno) => Err(self.error("stat", "", errno)),
        }
    }

    /// Writes the record, complete or not at all. It is not synced to disk: it means nothing after a reboot.
    pub fn save(&self, record: &Record) -> Result<(), Error> {
        let text = serde_json::to_vec(record).map_err(|e| Error::io("encode", self.path.join(RECORD), e))?;
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fd = openat(&self.fd, RECORD_NEW, flags, private()).map_err(|e| self.error("create", RECORD_NEW, e))?;
        File::from(fd).write_all(&text).map_err(|e| Error::io("write", self.path.join(RECORD_NEW), e))?;
        renameat(&self.fd, RECORD_NEW, &self.fd, RECORD).map_err(|e| self.error("rename", RECORD_NEW, e))
    }

    /// Reads the record; [`Error::NoRecord`] when a killed `create` left none.
    pub fn load(&self) -> Result<Record, Error> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fd = match openat(&self.fd, RECORD, flags, Mode::empty()) {
            Err(Errno::ENOENT) => return Err(Error::NoRecord(self.id.clone())),
            other => other.map_err(|e| self.error("open", RECORD, e))?,
        };
        let mut text = Vec::with_capacity(4096);
        File::from(fd).read_to_end(&mut text).map_err(|e| Error::io("read", self.path.join(RECORD), e))?;
        self.parse(&text)
    }

    fn parse(&self, text: &[u8]) -> Result<Record, Error> {
        let bad = |why: String| Error::BadRecord(self.path.join(RECORD), why);
        let record: Record = serde_json::from_slice(text).map_err(|e| bad(e.to_string()))?;
        if record.version > crate::RECORD_VERSION {
            return Err(bad(format!("written by a newer skiff (format {})", record.version)));
        }
        Ok(record)
    }

    /// Makes the fifo on which init waits for `start`, and opens it for both ends, which never blocks.
    pub fn make_fifo(&self) -> Result<OwnedFd, Error> {
        mkfifoat(&self.fd, FIFO, private()).map_err(|e| self.error("make fifo", FIFO, e))?;
        let flags = OFlag::O_RDWR | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        openat(&self.fd, FIFO, flags, Mode::empty()).map_err(|e| self.error("open", FIFO, e))
    }

    /// Opens the fifo for writing. [`Error::NoFifo`]: started before; [`Error::NoReader`]: init is dead.
    pub fn open_fifo_to_start(&self) -> Result<OwnedFd, Error> {
        let flags = OFlag::O_WRONLY | OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        openat(&self.fd, FIFO, flags, Mode::empty()).map_err(|errno| match errno {
            Errno::ENOENT => Error::NoFifo,
            Errno::ENXIO => Error::NoReader,
            other => self.error("open", FIFO, other),
        })
    }

    /// The fifo is there: nobody has started the container.
    pub fn has_fifo(&self) -> bool {
        faccessat(&self.fd, FIFO, AccessFlags::F_OK, AtFlags::AT_SYMLINK_NOFOLLOW).is_ok()
    }

    /// Removes the fifo; an absent one is fine.
    pub fn remove_fifo(&self) -> Result<(), Error> {
        match unlinkat(&self.fd, FIFO, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(self.error("remove", FIFO, errno)),
        }
    }

    /// The status is never stored, always derived. `frozen`: what the container's cgroup says.
    pub fn status(&self, record: &Record, frozen: bool) -> Status {
        match record.init {
            None => Status::Creating,
            Some(init) if !process::alive(init) => Status::Stopped,
            Some(_) if self.has_fifo() => Status::Created,
            Some(_) if frozen => Status::Paused,
            Some(_) => Status::Running,
        }
    }

    /// Removes the directory. It is renamed aside first, so that the id is free, or taken, at every moment.
    pub fn remove(self) -> Result<(), Error> {
        let root_path = self.path.parent().unwrap_or(Path::new("/"));
        let flags = directory_flags() & !OFlag::O_NOFOLLOW;
        let root = nix::fcntl::open(root_path, flags, Mode::empty()).map_err(|e| Error::io("open", root_path, e))?;
        let aside = self.rename_aside(root.as_fd()).map_err(|e| self.error("rename", "", e))?;
        tree::remove(root.as_fd(), &aside).map_err(|e| self.error("remove", "", e))
    }

    /// Only a name that a killed process with our pid left can be in the way: it is garbage, so it goes first.
    fn rename_aside(&self, root: BorrowedFd<'_>) -> nix::Result<CString> {
        let aside = CString::new(format!("{}{}", aside_prefix(&self.id), std::process::id())).map_err(|_| Errno::EINVAL)?;
        match renameat(root, self.id.as_str(), root, aside.as_c_str()) {
            Err(Errno::EEXIST | Errno::ENOTEMPTY) => {
                tree::remove(root, &aside)?;
                renameat(root, self.id.as_str(), root, aside.as_c_str())?;
            }
            other => other?,
        }
        Ok(aside)
    }

    fn error(&self, act: &'static str, name: &str, errno: Errno) -> Error {
        Error::io(act, self.path.join(name), errno)
    }
}

/// How the names of directories on their way out begin: no id can hold `~`. Cut, since a name has at most 255 bytes.
pub(crate) fn aside_prefix(id: &str) -> String {
    format!(".{}~", &id[..id.len().min(200)])
}

fn lock_exclusive(mut fd: OwnedFd) -> nix::Result<Flock<OwnedFd>> {
    loop {
        match Flock::lock(fd, FlockArg::LockExclusive) {
            Ok(lock) => return Ok(lock),
            Err((back, Errno::EINTR)) => fd = back,
            Err((_, errno)) => return Err(errno),
        }
    }
}

fn directory_flags() -> OFlag {
    OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC
}

fn private() -> Mode {
    Mode::S_IRUSR | Mode::S_IWUSR
}

#[cfg(test)]
#[path = "dir_tests.rs"]
pub(crate) mod tests;
