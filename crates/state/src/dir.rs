//! The directory of one container: its record, its start fifo, its lock. Everything goes through the directory's
//! descriptor, so a directory that is renamed aside or replaced meanwhile is never mistaken for ours.

use crate::{Error, Record, process, tree};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, FlockArg, OFlag, openat, renameat};
use nix::sys::stat::{Mode, fstat};
use nix::unistd::{AccessFlags, UnlinkatFlags, faccessat, mkfifoat, unlinkat};
use std::ffi::CString;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
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

    /// Waits until no other command changes the container; the lock is held until [`StateDir::unlock`] or the end of this value.
    /// A process that inherits the descriptor holds it, too, until it closes it. [`Error::NotExist`] when the container was
    /// deleted meanwhile.
    pub fn lock(&self) -> Result<(), Error> {
        self.lock_new()?;
        match fstat(&self.fd) {
            Ok(stat) if stat.st_nlink == 0 => Err(Error::NotExist),
            Ok(_) => Ok(()),
            Err(errno) => Err(self.error("stat", "", errno)),
        }
    }

    /// The same for a directory that was made just now; one that was deleted in between fails at the first write.
    pub(crate) fn lock_new(&self) -> Result<(), Error> {
        self.flock(FlockArg::LockExclusive).map_err(|e| self.error("lock", "", e))
    }

    /// Lets others change the container, whoever else has inherited the descriptor.
    pub fn unlock(&self) {
        // Fails only for what is no lock.
        let _ = self.flock(FlockArg::Unlock);
    }

    fn flock(&self, operation: FlockArg) -> nix::Result<()> {
        loop {
            // nix's lock type owns its descriptor; this one is also what the files are opened through.
            #[allow(deprecated)]
            match nix::fcntl::flock(self.fd.as_raw_fd(), operation) {
                Err(Errno::EINTR) => {}
                other => return other,
            }
        }
    }

    /// Writes the record for the first time, before anything else of the container exists: one that is cut short says just that.
    pub fn save_first(&self, record: &Record) -> Result<(), Error> {
        self.write(RECORD, record)
    }

    /// Replaces the record, complete or not at all. It is not synced to disk: it means nothing after a reboot.
    pub fn save(&self, record: &Record) -> Result<(), Error> {
        self.write(RECORD_NEW, record)?;
        renameat(&self.fd, RECORD_NEW, &self.fd, RECORD).map_err(|e| self.error("rename", RECORD_NEW, e))
    }

    fn write(&self, name: &'static str, record: &Record) -> Result<(), Error> {
        let text = serde_json::to_vec(record).map_err(|e| Error::io("encode", self.path.join(name), e))?;
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fd = openat(&self.fd, name, flags, private()).map_err(|e| self.error("create", name, e))?;
        File::from(fd).write_all(&text).map_err(|e| Error::io("write", self.path.join(name), e))
    }

    /// Reads the record; [`Error::NoRecord`] when a killed `create` left none.
    pub fn load(&self) -> Result<Record, Error> {
        match skiff_sys::read_whole(Some(self.fd.as_fd()), RECORD) {
            Err(Errno::ENOENT) => Err(Error::NoRecord(self.id.clone())),
            Err(errno) => Err(self.error("read", RECORD, errno)),
            Ok(text) => self.parse(&text),
        }
    }

    fn parse(&self, text: &[u8]) -> Result<Record, Error> {
        let bad = |why: String| Error::BadRecord(self.path.join(RECORD), why);
        let record: Record = serde_json::from_slice(text).map_err(|e| match e.is_eof() {
            true => Error::NoRecord(self.id.clone()),
            false => bad(e.to_string()),
        })?;
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
            Some(_) if frozen => Status::Paused,
            Some(_) if self.has_fifo() => Status::Created,
            Some(_) => Status::Running,
        }
    }

    /// Removes the directory. It is renamed aside first, so that the id is free, or taken, at every moment.
    pub fn remove(&self) -> Result<(), Error> {
        let aside = self.rename_aside().map_err(|e| self.error("rename", "", e))?;
        // Nearly always this is all there is.
        let _ = unlinkat(&self.fd, RECORD, UnlinkatFlags::NoRemoveDir);
        match unlinkat(AT_FDCWD, &aside, UnlinkatFlags::RemoveDir) {
            Err(Errno::ENOTEMPTY) => remove_tree(&aside),
            other => other,
        }
        .map_err(|e| self.error("remove", "", e))
    }

    /// What is in the way was renamed there before, by a delete that was killed or has not finished: it is garbage, so it goes
    /// first.
    fn rename_aside(&self) -> nix::Result<PathBuf> {
        let aside = self.path.with_file_name(aside(&self.id));
        match renameat(AT_FDCWD, &self.path, AT_FDCWD, &aside) {
            Err(Errno::EEXIST | Errno::ENOTEMPTY) => {
                remove_tree(&aside)?;
                renameat(AT_FDCWD, &self.path, AT_FDCWD, &aside)?;
            }
            other => other?,
        }
        Ok(aside)
    }

    fn error(&self, act: &'static str, name: &str, errno: Errno) -> Error {
        Error::io(act, self.path.join(name), errno)
    }
}

/// The name of a directory on its way out: no id can hold `~`. Cut, since a name has at most 255 bytes.
pub(crate) fn aside(id: &str) -> String {
    format!(".{}~", &id[..id.len().min(200)])
}

/// A directory of the root, which belongs to us alone.
pub(crate) fn remove_tree(path: &Path) -> nix::Result<()> {
    let (Some(root), Some(name)) = (path.parent(), path.file_name()) else { return Err(Errno::EINVAL) };
    let root = match nix::fcntl::open(root, directory_flags() & !OFlag::O_NOFOLLOW, Mode::empty()) {
        Err(Errno::ENOENT) => return Ok(()),
        other => other?,
    };
    tree::remove(root.as_fd(), &CString::new(name.as_bytes()).map_err(|_| Errno::EINVAL)?)
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
