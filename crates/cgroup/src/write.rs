//! Writing the plan's values into the files of a new cgroup.

use crate::Error;
use crate::files::Dir;
use nix::errno::Errno;
use skiff_plan::CgroupWrite;

/// Writes every value; `dir_of` says where a controller's files lie.
///
/// What the kernel finds invalid is tried again once the rest is written: a burst may not exceed the quota, a period
/// not make the quota exceed the parent's, memory plus swap not be less than memory, so the right order depends on
/// what a cgroup that was there before holds already.
pub(crate) fn all<'d>(writes: &[CgroupWrite], dir_of: impl Fn(&str) -> Option<&'d Dir>) -> Result<(), Error> {
    let mut again = Vec::new();
    for write in writes {
        let Some(dir) = dir_of(&write.controller) else { continue };
        match one(dir, write) {
            Err(error) if error.errno() == Some(Errno::EINVAL) => again.push((dir, write)),
            other => other?,
        }
    }
    again.into_iter().try_for_each(|(dir, write)| one(dir, write))
}

fn one(dir: &Dir, write: &CgroupWrite) -> Result<(), Error> {
    let mut place = (&write.file, &write.value);
    let mut result = dir.write(place.0, place.1);
    if let (Err(Errno::ENOENT), Some((file, value))) = (result, &write.fallback) {
        place = (file, value);
        result = dir.write(file, value);
    }
    match result {
        Err(Errno::ENOENT) if write.optional => Ok(()),
        result => result.map_err(|errno| dir.write_error(place.0, write.field, place.1, errno)),
    }
}
