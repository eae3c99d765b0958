//! Kernel parameters, written through a procfs that only init sees: never through the image's `/proc`, which a volume or a
//! link may have replaced (CVE-2019-16884, CVE-2025-52881). init side.

use crate::steps::{About, Fault};
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use skiff_sys::mount::Filesystem;
use std::ffi::CStr;
use std::path::Path;

/// Writes `value` to `key` below `/proc/sys`.
pub(super) fn write(key: &Path, value: &CStr) -> Result<(), Fault> {
    let proc = Filesystem::open(c"proc")?.mount(0).about("private procfs")?;
    let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_XDEV | ResolveFlag::RESOLVE_NO_SYMLINKS;
    let how = OpenHow::new().flags(OFlag::O_WRONLY | OFlag::O_CLOEXEC).resolve(resolve);
    let file = openat2(&proc, &Path::new("sys").join(key), how)?;
    nix::unistd::write(&file, value.to_bytes()).about(value.to_string_lossy())?;
    Ok(())
}
