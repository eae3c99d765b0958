//! Locks among compilers: one on a module, so many on compiling at all, so many on waiting for that. By byte ranges of one empty
//! file, which never has to be cleaned away. Looking code up takes none.

use super::{Cache, Error, Key};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl, openat};
use nix::sys::stat::Mode;
use std::os::fd::OwnedFd;

const NAME: &str = "lock";
/// Above what a module's place can be.
const SLOTS: i64 = 1 << 62;
/// The same where somebody waits, above every slot; and above those the places of the queue.
const AWAITED: i64 = SLOTS + (1 << 32);
const PLACES: i64 = SLOTS + (2 << 32);
/// Modules that are copied and wait for a slot, at most: each copy is memory of the host's.
pub(super) const QUEUE: i64 = 16;

/// Held until it is dropped, by whoever has the descriptor: a child process, too.
#[derive(Debug)]
pub struct Lock {
    _file: OwnedFd,
}

impl Cache {
    /// The lock on compiling this module; `None`: somebody else does that, and `wait` is not set.
    ///
    /// # Errors
    /// [`Error::Entry`].
    pub fn lock(&self, key: &Key, wait: bool) -> Result<Option<Lock>, Error> {
        let mut place = [0; 8];
        place.copy_from_slice(&key.module[..8]);
        self.take(i64::from_le_bytes(place) & (SLOTS - 1), wait)
    }

    /// One of `slots` places to compile in (at least one), when it is free. Those for whom somebody waits (`awaited`) have places
    /// of their own: what compiles beside a busy machine's work takes as long as that likes.
    ///
    /// # Errors
    /// [`Error::Entry`].
    pub fn slot(&self, slots: u32, awaited: bool, key: &Key) -> Result<Lock, Error> {
        let slots = slots.max(1);
        let first = if awaited { AWAITED } else { SLOTS };
        for slot in 0..slots {
            if let Some(lock) = self.take(first + i64::from(slot), false)? {
                return Ok(lock);
            }
        }
        let slot = u32::from(key.module[8]) % slots;
        self.take(first + i64::from(slot), true)?.ok_or(Error::Entry { act: "wait for the lock", errno: Errno::EAGAIN })
    }

    /// A place among those who wait for a slot though nobody waits for them; `None`: there are enough of them.
    ///
    /// # Errors
    /// [`Error::Entry`].
    pub fn place(&self) -> Result<Option<Lock>, Error> {
        (0..QUEUE).map(|place| self.take(PLACES + place, false)).find(|taken| !matches!(taken, Ok(None))).unwrap_or(Ok(None))
    }

    fn take(&self, start: i64, wait: bool) -> Result<Option<Lock>, Error> {
        let failed = |errno| Error::Entry { act: "take the lock", errno };
        let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let file = openat(self.fd(), NAME, flags, Mode::from_bits_truncate(0o600)).map_err(failed)?;
        let range = libc::flock {
            l_type: libc::F_WRLCK as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: start,
            l_len: 1,
            l_pid: 0,
        };
        loop {
            let how = if wait { FcntlArg::F_OFD_SETLKW(&range) } else { FcntlArg::F_OFD_SETLK(&range) };
            return match fcntl(&file, how) {
                Ok(_) => Ok(Some(Lock { _file: file })),
                Err(Errno::EAGAIN | Errno::EACCES) if !wait => Ok(None),
                Err(Errno::EINTR) => continue,
                Err(errno) => Err(failed(errno)),
            };
        }
    }
}
