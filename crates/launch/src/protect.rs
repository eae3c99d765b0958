//! Protects our own executable from the containers it starts (CVE-2019-5736): a process of the container that gets
//! hold of `/proc/PID/exe` of a runtime about to enter it must not be able to write the file. Parent side, first of all.

use crate::Error;
use crate::error::Act;
use nix::errno::Errno;
use skiff_sys::{Args, mount};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

/// What the runtime itself needs of its environment; the rest stays behind.
const ENVIRONMENT: [&str; 6] = ["PATH", "USER", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "NOTIFY_SOCKET", "LISTEN_FDS"];

const OWN: &str = "/proc/self/exe";

/// Executes this program again through a read-only mount of itself (a sealed copy in memory without CAP_SYS_ADMIN),
/// unless it already runs from where nobody can write it. Returns only in the protected program.
///
/// # Errors
/// `/proc` is not mounted, or neither way works.
pub fn protect_executable(args: Args) -> Result<(), Error> {
    if skiff_sys::on_read_only_mount(OWN).act(|| format!("look at {OWN}"))? {
        return Ok(());
    }
    let protected = match read_only_mount() {
        Err(Errno::EPERM) => without_mount()?,
        other => Some(other.act(|| "mount our own executable read-only".into())?),
    };
    let Some(protected) = protected else { return Ok(()) };
    skiff_sys::execute_again(protected.as_fd(), args, &ENVIRONMENT)
        .map(|never| match never {})
        .act(|| "execute ourselves again".into())
}

/// A detached mount of our file; it lives as long as the process that runs from it.
fn read_only_mount() -> nix::Result<OwnedFd> {
    let tree = mount::open_tree(None, OWN, false)?;
    mount::set_attributes(tree.as_fd(), mount::attr::RDONLY, 0, 0, false)?;
    Ok(tree)
}

/// Nothing to do where we run from the copy already or our user cannot write the file.
fn without_mount() -> Result<Option<OwnedFd>, Error> {
    let mut own = File::open(OWN).act(|| format!("open {OWN}"))?;
    if skiff_sys::sealed(&own) || !writable() {
        return Ok(None);
    }
    skiff_sys::sealed_copy(&mut own).map(Some).act(|| "copy our own executable into memory".into())
}

/// Our user could write the file; then a container of that user could, too.
fn writable() -> bool {
    nix::unistd::access(OWN, nix::unistd::AccessFlags::W_OK) != Err(Errno::EACCES)
}
