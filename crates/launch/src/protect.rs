//! Protects our own executable from the containers it starts (CVE-2019-5736): a process of the container that gets
//! hold of `/proc/PID/exe` of a runtime about to enter it must not be able to write the file. Parent side, first of all.

use crate::Error;
use crate::error::Act;
use nix::errno::Errno;
use skiff_sys::mount;
use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;

/// What the runtime itself needs of its environment; the rest stays behind.
const ENVIRONMENT: [&str; 5] = ["PATH", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "NOTIFY_SOCKET", "LISTEN_FDS"];

/// Executes this program again through a read-only mount of itself (a sealed copy in memory without CAP_SYS_ADMIN),
/// unless it already runs from where nobody can write it. Returns only in the protected program.
///
/// # Errors
/// `/proc` is not mounted, or neither way works.
pub fn protect_executable() -> Result<(), Error> {
    let mut own = File::open("/proc/self/exe").act(|| "open /proc/self/exe".into())?;
    if skiff_sys::on_read_only_mount(&own).act(|| "look at /proc/self/exe".into())? || skiff_sys::sealed(&own) {
        return Ok(());
    }
    let protected = match read_only_mount(&own) {
        Err(Errno::EPERM) if !writable() => return Ok(()),
        Err(Errno::EPERM) => skiff_sys::sealed_copy(&mut own),
        other => other,
    };
    let protected = protected.act(|| "protect our own executable".into())?;
    let args: Vec<CString> = std::env::args_os().filter_map(|arg| CString::new(arg.into_vec()).ok()).collect();
    skiff_sys::execveat_fd(protected.as_fd(), &args, &environment()).map(|never| match never {}).act(|| "execute ourselves again".into())
}

/// A detached mount of the file, read-only; it lives as long as the process that runs from it.
fn read_only_mount(file: &File) -> nix::Result<OwnedFd> {
    let tree = mount::open_tree(Some(file.as_fd()), c"", false)?;
    mount::set_attributes(tree.as_fd(), mount::attr::RDONLY, 0, 0, false)?;
    Ok(tree)
}

/// Our user could write the file; then a container of that user could, too.
fn writable() -> bool {
    nix::unistd::access("/proc/self/exe", nix::unistd::AccessFlags::W_OK) != Err(Errno::EACCES)
}

fn environment() -> Vec<CString> {
    let entry = |name: &str| {
        let value = std::env::var_os(name)?;
        CString::new([name.as_bytes(), b"=", &value.into_vec()].concat()).ok()
    };
    ENVIRONMENT.iter().filter_map(|name| entry(name)).collect()
}
