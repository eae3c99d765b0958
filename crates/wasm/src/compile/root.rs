//! The root that the worker sees: an empty tmpfs of bounded size, with the compiler and its libraries, read-only. Runs in the
//! worker before it executes.

use super::ids::NOBODY;
use super::tools::{Bind, Tools};
use super::worker::OUT;
use nix::fcntl::{OFlag, open, openat};
use nix::mount::{MntFlags, umount2};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{chdir, fchdir, pivot_root, symlinkat};
use skiff_sys::mount::{Filesystem, attr, move_mount, open_tree, set_attributes};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};

/// Compilers make a handful of files.
const INODES: &CStr = c"256";
/// Any directory that every host has will do: it is this mount namespace's alone.
const ANY: &CStr = c"/proc";

type Step<T> = Result<T, (&'static str, nix::Error)>;

/// Becomes the unprivileged user, and enters the root, of `size` bytes.
pub(super) fn enter(tools: &Tools, size: u64) -> Step<()> {
    // While the host's directories can be walked as root.
    let trees: Vec<OwnedFd> = tools.binds.iter().map(tree).collect::<Step<_>>()?;
    // A user of few rights cannot empty its groups; none of them has a mapping here.
    let _ = skiff_sys::set_groups(&[]);
    skiff_sys::set_ids(NOBODY, NOBODY).map_err(|errno| ("become nobody", errno))?;
    let root = tmpfs(size).map_err(|errno| ("make a tmpfs", errno))?;
    for (bind, tree) in tools.binds.iter().zip(&trees) {
        attach(&root, bind, tree).map_err(|errno| ("show the compiler", errno))?;
    }
    for (target, name) in &tools.links {
        symlinkat(target.as_c_str(), &root, name.as_c_str()).map_err(|errno| ("make a link", errno))?;
    }
    mkdirat(&root, &OUT[1..], Mode::S_IRWXU).map_err(|errno| ("make the output directory", errno))?;
    pivot(&root).map_err(|errno| ("change the root", errno))
}

fn tree(bind: &Bind) -> Step<OwnedFd> {
    let tree = open_tree(None, bind.source.as_c_str(), false).map_err(|errno| ("open the compiler's files", errno))?;
    let read_only = attr::RDONLY | attr::NOSUID | attr::NODEV;
    set_attributes(tree.as_fd(), read_only, 0, 0, false).map_err(|errno| ("protect the compiler's files", errno))?;
    Ok(tree)
}

fn tmpfs(size: u64) -> nix::Result<OwnedFd> {
    let filesystem = Filesystem::open(c"tmpfs")?;
    let size = CString::new(size.to_string()).map_err(|_| nix::Error::EINVAL)?;
    for (name, value) in [(c"size", size.as_c_str()), (c"nr_inodes", INODES), (c"mode", c"0700")] {
        filesystem.option(name, value)?;
    }
    let root = filesystem.mount(attr::NOSUID | attr::NODEV | attr::NOEXEC)?;
    let place = open(ANY, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
    move_mount(root.as_fd(), place.as_fd())?;
    Ok(root)
}

fn attach(root: &OwnedFd, bind: &Bind, tree: &OwnedFd) -> nix::Result<()> {
    if bind.directory {
        mkdirat(root, bind.name.as_c_str(), Mode::S_IRWXU)?;
    } else {
        openat(root, bind.name.as_c_str(), OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC, Mode::S_IRUSR)?;
    }
    let place = openat(root, bind.name.as_c_str(), OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())?;
    move_mount(tree.as_fd(), place.as_fd())
}

fn pivot(root: &OwnedFd) -> nix::Result<()> {
    fchdir(root)?;
    pivot_root(".", ".")?;
    umount2(".", MntFlags::MNT_DETACH)?;
    chdir(OUT)
}
