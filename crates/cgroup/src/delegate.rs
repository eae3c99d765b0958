//! A cgroup of version 2 handed to a user, who may then make cgroups of its own below it. Parent side.

use crate::Error;
use crate::files::{Dir, gone};
use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::unistd::{Uid, fchownat};
use std::os::fd::AsFd;

/// The kernel's list of files that a delegatee must be able to write (Linux 4.15).
const LIST: &str = "/sys/kernel/cgroup/delegate";
/// What config-linux.md names where there is no list.
const FALLBACK: &str = "cgroup.procs\ncgroup.subtree_control\ncgroup.threads\n";

/// Makes `uid` the owner of the directory and of the files that the kernel lists; the limits stay the runtime's.
///
/// # Errors
/// As chown(2); a file that this kernel lacks is none.
pub(crate) fn give(dir: &Dir, uid: u32) -> Result<(), Error> {
    let list = std::fs::read_to_string(LIST).unwrap_or_else(|_| FALLBACK.to_owned());
    chown(dir, ".", uid)?;
    list.lines().try_for_each(|file| chown(dir, file, uid))
}

fn chown(dir: &Dir, name: &str, uid: u32) -> Result<(), Error> {
    match fchownat(dir.as_fd(), name, Some(Uid::from_raw(uid)), None, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Err(errno) if gone(errno) && name != "." => Ok(()),
        other => other.map_err(|errno: Errno| Error::path("give the container its cgroup:", &dir.path().join(name), errno)),
    }
}
