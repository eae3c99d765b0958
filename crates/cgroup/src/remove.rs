//! Removing a cgroup with everything below it. Only the container's own directory; what lies above stays.

use crate::Error;
use crate::files::{Dir, gone, name_of};
use nix::errno::Errno;
use nix::unistd::{UnlinkatFlags, unlinkat};
use std::path::Path;
use std::time::{Duration, Instant};

/// The first pause of the retry; each next one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
/// How long a busy cgroup is tried again.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// Removes the cgroup at `path`, children first, with retries until `deadline`. A missing one is fine.
pub(crate) fn tree(path: &Path, deadline: Instant) -> Result<(), Error> {
    match rmdir(path) {
        Err(Errno::EBUSY | Errno::ENOTEMPTY) => {}
        Err(errno) if gone(errno) => return Ok(()),
        other => return other.map_err(|errno| Error::path("remove", path, errno)),
    }
    remove_children(path, deadline)?;
    patiently(path, deadline)
}

fn remove_children(path: &Path, deadline: Instant) -> Result<(), Error> {
    let names = match Dir::open(path).and_then(|dir| dir.children()) {
        Ok(names) => names,
        Err(errno) if gone(errno) => return Ok(()),
        Err(errno) => return Err(Error::path("read", path, errno)),
    };
    names.iter().try_for_each(|name| tree(&path.join(name_of(name)), deadline))
}

/// The kernel lets go of the last process of a cgroup a moment after that has ended, and says nothing when it does
/// on version 1: the one place where sleeping is allowed.
fn patiently(path: &Path, deadline: Instant) -> Result<(), Error> {
    let mut pause = FIRST_PAUSE;
    while Instant::now() < deadline {
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
