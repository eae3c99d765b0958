//! Removing a cgroup with everything below it. Only the container's own directory; what lies above stays.

use crate::Error;
use crate::files::{Dir, gone, name_of};
use nix::errno::Errno;
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::path::Path;
use std::time::Duration;

/// The first pause of the retry; each next one is twice as long, together about one second.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const ATTEMPTS: u32 = 10;

/// Removes the cgroup at `path`, children first. A missing one is fine.
pub(crate) fn tree(path: &Path) -> Result<(), Error> {
    match rmdir(path) {
        Err(Errno::EBUSY | Errno::ENOTEMPTY) => {}
        Err(errno) if gone(errno) => return Ok(()),
        other => return other.map_err(|errno| Error::path("remove", path, errno)),
    }
    remove_children(path)?;
    patiently(path)
}

fn remove_children(path: &Path) -> Result<(), Error> {
    let names = match Dir::open(path).and_then(|dir| dir.children()) {
        Ok(names) => names,
        Err(errno) if gone(errno) => return Ok(()),
        Err(errno) => return Err(Error::path("read", path, errno)),
    };
    names.iter().try_for_each(|name| tree(&path.join(name_of(name))))
}

/// The kernel lets go of the last process of a cgroup a moment after that has ended, and says nothing when it does
/// on version 1: the one place where sleeping is allowed.
fn patiently(path: &Path) -> Result<(), Error> {
    let mut pause = FIRST_PAUSE;
    for _ in 0..ATTEMPTS {
        match rmdir(path) {
            Err(Errno::EBUSY) => std::thread::sleep(pause),
            Err(errno) if gone(errno) => return Ok(()),
            other => return other.map_err(|errno| Error::path("remove", path, errno)),
        }
        pause *= 2;
    }
    rmdir(path).map_err(|errno| Error::path("remove", path, errno))
}

fn rmdir(path: &Path) -> nix::Result<()> {
    unlinkat(nix::fcntl::AT_FDCWD, path, UnlinkatFlags::RemoveDir)
}
