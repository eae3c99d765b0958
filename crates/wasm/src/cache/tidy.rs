//! What is in the cache, and what has to go: what does not fit, what no engine wants, what was left half done, what is damaged.
//! The compiler's process runs it after each entry, `skiff wasm cache` on demand.

use super::entry::{self, Header};
use super::{Cache, ENTRY, Error, FAILED, Maker, NEW, Sum, failed};
use nix::dir::Dir;
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::{FileStat, Mode, fstatat};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Nothing takes that long to be written.
const STALE: Duration = Duration::from_secs(60 * 60);
/// Another version of the engine may be in use beside ours while a machine is being upgraded.
const FOREIGN: Duration = Duration::from_secs(24 * 60 * 60);

/// One entry of the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    name: String,
    /// SHA-256 of the module's file.
    pub module: Sum,
    /// Who made it.
    pub maker: Maker,
    /// What it takes of the disk, in bytes.
    pub size: u64,
    /// When it was compiled.
    pub made: SystemTime,
    /// When it was last looked up.
    pub used: SystemTime,
}

/// What [`Cache::prune`] and [`Cache::verify`] have removed and left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tidied {
    /// Entries removed.
    pub removed: usize,
    /// Their size in bytes.
    pub freed: u64,
    /// Entries left.
    pub kept: usize,
    /// Their size in bytes.
    pub size: u64,
}

/// What [`Cache::verify`] has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The entry is what was written.
    Good(Entry),
    /// It is not, and is gone.
    Removed {
        /// Its file's name.
        name: String,
        /// In plain words.
        reason: &'static str,
    },
}

impl Cache {
    /// Every entry that a look-up could find, the least recently used first.
    ///
    /// # Errors
    /// [`Error::Entry`] when the directory cannot be read.
    pub fn list(&self) -> Result<Vec<Entry>, Error> {
        let mut entries: Vec<Entry> =
            self.names(ENTRY)?.into_iter().filter_map(|name| self.inspect(&name, false).ok().map(|(entry, _)| entry)).collect();
        entries.sort_by(|a, b| a.used.cmp(&b.used).then_with(|| a.name.cmp(&b.name)));
        Ok(entries)
    }

    /// Removes what is stale, damaged or made by other engines than `maker`'s (at once with `all_foreign`, else when unused for a
    /// day), then the least recently used until no more than `limit` bytes are left.
    ///
    /// # Errors
    /// As [`Cache::list`].
    pub fn prune(&self, limit: u64, maker: &Maker, all_foreign: bool) -> Result<Tidied, Error> {
        self.sweep()?;
        let mut done = Tidied::default();
        for name in self.names(ENTRY)? {
            let good = self.inspect(&name, false);
            if good.is_err() && self.unlink(&name) {
                done.removed += 1;
            }
        }
        let entries = self.list()?;
        let mut size: u64 = entries.iter().map(|entry| entry.size).sum();
        for entry in entries {
            let foreign = entry.maker.engine != maker.engine && (all_foreign || is_older(entry.used, FOREIGN));
            if (foreign || size > limit) && self.unlink(&entry.name) {
                size -= entry.size;
                done.removed += 1;
                done.freed += entry.size;
            } else {
                done.kept += 1;
            }
        }
        Ok(Tidied { size, ..done })
    }

    /// Reads every entry whole; removes what is not as it was written.
    ///
    /// # Errors
    /// As [`Cache::list`].
    pub fn verify(&self) -> Result<Vec<Verdict>, Error> {
        let look = |name: String| match self.inspect(&name, true) {
            Ok((entry, _)) => Verdict::Good(entry),
            Err(reason) => {
                self.unlink(&name);
                Verdict::Removed { name, reason }
            }
        };
        Ok(self.names(ENTRY)?.into_iter().map(look).collect())
    }

    /// Removes what was left half done, and notes that hold no more.
    fn sweep(&self) -> Result<(), Error> {
        for name in self.names("")? {
            let age = if name.starts_with(NEW) {
                STALE
            } else if name.ends_with(FAILED) {
                failed::HOLDS
            } else {
                continue;
            };
            if self.stat(&name).is_ok_and(|stat| is_older(time(stat.st_mtime, 0), age)) {
                self.unlink(&name);
            }
        }
        Ok(())
    }

    fn inspect(&self, name: &str, whole: bool) -> Result<(Entry, Header), &'static str> {
        let file = self.read(name).map_err(|_| "it cannot be opened")?;
        let header = entry::check(&file, self.owner)?;
        if name != header.key.stem() + ENTRY {
            return Err("its name is another entry's");
        }
        let stat = nix::sys::stat::fstat(&file).map_err(|_| "it cannot be looked at")?;
        if whole {
            entry::check_code(&file, &header)?;
        }
        let entry = Entry {
            name: name.to_owned(),
            module: header.key.module,
            maker: header.key.maker.clone(),
            size: stat.st_size as u64,
            made: time(stat.st_mtime, stat.st_mtime_nsec),
            used: time(stat.st_atime, stat.st_atime_nsec),
        };
        Ok((entry, header))
    }

    fn stat(&self, name: &str) -> nix::Result<FileStat> {
        fstatat(self.fd(), name, AtFlags::AT_SYMLINK_NOFOLLOW)
    }

    /// Sorted.
    pub(super) fn names(&self, suffix: &str) -> Result<Vec<String>, Error> {
        let failed = |errno| Error::Entry { act: "list the entries", errno };
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let mut dir = Dir::openat(self.fd(), ".", flags, Mode::empty()).map_err(failed)?;
        let mut names = Vec::new();
        for item in dir.iter() {
            let name = item.map_err(failed)?.file_name().to_string_lossy().into_owned();
            if name.ends_with(suffix) && name != "." && name != ".." {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }
}

fn time(seconds: i64, nanoseconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::new(u64::try_from(seconds).unwrap_or(0), u32::try_from(nanoseconds).unwrap_or(0))
}

fn is_older(time: SystemTime, age: Duration) -> bool {
    SystemTime::now().duration_since(time).is_ok_and(|passed| passed > age)
}
