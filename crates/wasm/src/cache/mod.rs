//! Compiled code, kept across containers: found by what it was made from and by what, used only if nobody else can have written
//! it. Runs in the runtime's parent process, and, to fill it, in the compiler's.
//!
//! A directory of files, one an entry ([`entry`]), made under another name and renamed, so that no lock is needed to look one up.
//! Beside them: notes on modules that do not compile (`.failed`), and one file to hold locks on.

mod dir;
mod entry;
mod error;
mod failed;
mod key;
mod lock;
#[cfg(test)]
mod tests;
mod tidy;

pub use dir::directory;
pub use error::Error;
pub use key::{ENGINE_MAX, Key, Maker, Sum, hex, processor, sum};
pub use lock::Lock;
pub use tidy::{Entry, Tidied, Verdict};

use entry::Header;
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, renameat};
use nix::sys::stat::{Mode, futimens};
#[cfg(test)]
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
#[cfg(test)]
use nix::sys::time::TimeValLike;
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

/// Ends the name of an entry.
const ENTRY: &str = ".aot";
/// Ends the name of a note on a failure.
const FAILED: &str = ".failed";
/// Begins the name of a file that is being written.
const NEW: &str = ".new-";

/// An open cache.
#[derive(Debug)]
pub struct Cache {
    dir: OwnedFd,
    owner: u32,
}

impl Cache {
    /// Opens the cache in this directory, an absolute path without `..` ([`directory`] says which); it is made where it is
    /// missing.
    ///
    /// # Errors
    /// The directory cannot be had, or others can write it.
    pub fn open(path: &Path) -> Result<Self, Error> {
        dir::open_dir(path).map(|(dir, owner)| Self { dir, owner })
    }

    /// The code for this key: a descriptor that is read from where it stands to its end. The caller may hand it on; nobody can
    /// write through it.
    ///
    /// An entry that is not what it should be is removed.
    #[must_use]
    pub fn lookup(&self, key: &Key) -> Option<OwnedFd> {
        let name = key.stem() + ENTRY;
        let mut file = match self.read(&name) {
            Ok(file) => file,
            Err(Errno::ENOENT) => return None,
            Err(_) => return self.refuse(&name),
        };
        if self.usable(&file, key).is_err() {
            return self.refuse(&name);
        }
        let _ = futimens(&file, &TimeSpec::UTIME_NOW, &TimeSpec::UTIME_OMIT);
        file.seek(SeekFrom::Start(entry::HEADER as u64)).ok()?;
        Some(file.into())
    }

    fn usable(&self, file: &File, key: &Key) -> Result<(), &'static str> {
        let header = entry::check(file, self.owner)?;
        if header.key != *key {
            return Err("it is another module's, engine's or processor's");
        }
        if header.length <= entry::CHECKED { entry::check_code(file, &header) } else { Ok(()) }
    }

    /// For reading, which is no use: O_NOATIME, which is its owner's alone, too. A FIFO or device in its place must not stop us.
    fn read(&self, name: &str) -> nix::Result<File> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        openat(&self.dir, name, flags | OFlag::O_NOATIME, Mode::empty()).map(File::from)
    }

    fn refuse(&self, name: &str) -> Option<OwnedFd> {
        self.unlink(name);
        None
    }

    /// What cannot be removed is refused each time.
    fn unlink(&self, name: &str) -> bool {
        match unlinkat(&self.dir, name, UnlinkatFlags::NoRemoveDir) {
            Err(Errno::EISDIR | Errno::EPERM) => unlinkat(&self.dir, name, UnlinkatFlags::RemoveDir).is_ok(),
            other => other.is_ok(),
        }
    }

    /// Stores the code for this key, in the place of what was there. Whoever looks it up sees it whole or not at all, also after
    /// a power failure.
    ///
    /// # Errors
    /// [`Error::Entry`], with nothing left behind.
    pub fn insert(&self, key: &Key, code: &[u8]) -> Result<(), Error> {
        let header = Header::of(key, code).write();
        self.replace(&(key.stem() + ENTRY), &[&header, code])?;
        self.unlink(&(key.stem() + FAILED));
        Ok(())
    }

    fn replace(&self, name: &str, parts: &[&[u8]]) -> Result<(), Error> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let new = format!("{NEW}{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        // Of a process with this number in another pid namespace, or before a reboot.
        self.unlink(&new);
        let done = self.write(&new, parts).and_then(|()| {
            renameat(&self.dir, new.as_str(), &self.dir, name).map_err(|errno| Error::Entry { act: "name an entry", errno })
        });
        if done.is_err() {
            self.unlink(&new);
        }
        done
    }

    fn write(&self, name: &str, parts: &[&[u8]]) -> Result<(), Error> {
        let failed = |errno| Error::Entry { act: "write an entry", errno };
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mode = Mode::from_bits_truncate(entry::MODE);
        let mut file = File::from(openat(&self.dir, name, flags, mode).map_err(failed)?);
        let io = |error: std::io::Error| failed(error.raw_os_error().map_or(Errno::EIO, Errno::from_raw));
        parts.iter().try_for_each(|part| file.write_all(part)).map_err(io)?;
        // Longer code is not read again before it is used.
        file.sync_data().map_err(io)?;
        nix::sys::stat::fchmod(&file, mode).map_err(failed)
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// Makes an entry look as if it had been used so many seconds after the epoch.
    #[cfg(test)]
    fn used_at(&self, key: &Key, seconds: i64) {
        let (used, name) = (TimeSpec::seconds(seconds), key.stem() + ENTRY);
        let flags = UtimensatFlags::NoFollowSymlink;
        utimensat(&self.dir, name.as_str(), &used, &TimeSpec::UTIME_OMIT, flags).unwrap();
    }
}
