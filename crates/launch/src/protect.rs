//! Protects our own executable from the containers it starts (CVE-2019-5736): a process of the container that gets
//! hold of `/proc/PID/exe` of a runtime about to enter it must not be able to write the file. Parent side, first of all.

use crate::Error;
use crate::error::Act;
use nix::errno::Errno;
use skiff_sys::{Args, mount};
use std::ffi::{CString, OsStr};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What the runtime itself needs of its environment; the rest stays behind.
const ENVIRONMENT: [&str; 10] = [
    "PATH",
    "HOME",
    "USER",
    "XDG_RUNTIME_DIR",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "DBUS_SESSION_BUS_ADDRESS",
    "DBUS_SYSTEM_BUS_ADDRESS",
    "NOTIFY_SOCKET",
    "LISTEN_FDS",
];

const OWN: &str = "/proc/self/exe";

/// Where the executable lies that was executed again, since neither a mount of one file nor a copy in memory has a path.
pub(crate) const PATH: &str = "SKIFF_EXECUTABLE";

/// Executes this program again through a read-only mount of itself (a sealed copy in memory without CAP_SYS_ADMIN),
/// unless it already runs from where nobody can write it. Returns only in the protected program.
///
/// # Errors
/// `/proc` is not mounted, or neither way works.
pub fn protect_executable(args: Args) -> Result<(), Error> {
    if skiff_sys::on_read_only_mount(OWN).act(|| format!("look at {OWN}"))? {
        return Ok(());
    }
    let Some(protected) = protected(Path::new(OWN))? else { return Ok(()) };
    let path = variable(PATH, std::fs::read_link(OWN).act(|| format!("look at {OWN}"))?.as_os_str());
    execute(&protected, args, &[&path]).act(|| "execute ourselves again".into())
}

/// The path of this program, as it was called first.
///
/// # Errors
/// `/proc` is not mounted.
pub fn own_path() -> Result<PathBuf, Error> {
    let path = std::fs::read_link(OWN).act(|| format!("look at {OWN}"))?;
    let nowhere = path == Path::new("/") || path == Path::new("/memfd:skiff (deleted)");
    // Only we ourselves execute programs that have no path, and then the variable is ours as well.
    Ok(std::env::var_os(PATH).filter(|_| nowhere).map_or(path, PathBuf::from))
}

pub(crate) fn variable(name: &str, value: &OsStr) -> CString {
    CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).unwrap_or_default()
}

pub(crate) fn execute(file: &OwnedFd, args: Args, more: &[&CString]) -> nix::Result<()> {
    skiff_sys::execute_again(file.as_fd(), args, &ENVIRONMENT, more).map(|never| match never {})
}

/// The program at `path` as nobody can write it; `None`: our user could not write it anyhow.
pub(crate) fn protected(path: &Path) -> Result<Option<OwnedFd>, Error> {
    match read_only_mount(path) {
        Err(Errno::EPERM) => without_mount(path),
        other => other.map(Some).act(|| format!("mount {} read-only", path.display())),
    }
}

/// A detached mount of the file; it lives as long as the process that runs from it.
fn read_only_mount(path: &Path) -> nix::Result<OwnedFd> {
    let tree = mount::open_tree(None, path, false)?;
    mount::set_attributes(tree.as_fd(), mount::attr::RDONLY, 0, 0, false)?;
    Ok(tree)
}

/// Nothing to do where we run from the copy already or our user cannot write the file.
fn without_mount(path: &Path) -> Result<Option<OwnedFd>, Error> {
    let mut file = File::open(path).act(|| format!("open {}", path.display()))?;
    if skiff_sys::sealed(&file) || !writable(path) {
        return Ok(None);
    }
    skiff_sys::sealed_copy(&mut file).map(Some).act(|| format!("copy {} into memory", path.display()))
}

/// Our user could write the file; then a container of that user could, too.
fn writable(path: &Path) -> bool {
    nix::unistd::access(path, nix::unistd::AccessFlags::W_OK) != Err(Errno::EACCES)
}
