//! Hides the process' own memory from its preopens. A module's process never executes, so below `/proc/self` the module would
//! find the engine that holds it, and the kernel lets every process write its own memory. init side, with all rights.

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::mount::{MntFlags, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::Mode;
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};
use nix::unistd::fchdir;
use skiff_launch::Fault;
use skiff_plan::Preopen;
use skiff_sys::mount::{Filesystem, attr, move_mount, open_tree, set_attributes};
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// Its contents, and where on the host the engine lies.
const FILES: [&str; 4] = ["mem", "maps", "smaps", "numa_maps"];
/// The process and its one thread have the same files.
const TWICE: [&str; 2] = ["self", "thread-self"];
const COVER: &str = "cover";

/// Covers them wherever a preopen holds them, in a mount namespace that only this process and what `exec` starts beside it see.
///
/// # Errors
/// Whatever the kernel answers: a module that could change the engine is not started.
pub(crate) fn own_memory(preopens: &[Preopen]) -> Result<(), Fault> {
    let held = |place: &PathBuf| preopens.iter().any(|dir| place.starts_with(&dir.path) || dir.path.starts_with(place));
    let mounts = mountinfo().map_err(failed)?;
    let places: Vec<PathBuf> = proc_mounts(&mounts).filter(held).collect();
    if places.is_empty() {
        return Ok(());
    }
    unshare(CloneFlags::CLONE_NEWNS).map_err(failed)?;
    places.iter().try_for_each(|place| cover(place)).map_err(failed)
}

/// What is mounted, as a proc filesystem tells it and not a file of the image's: the container's own one, else one that nobody sees.
fn mountinfo() -> nix::Result<Vec<u8>> {
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    let own = openat(AT_FDCWD, "/proc/self/mountinfo", flags, Mode::empty());
    let file = match own {
        Ok(file) if is_proc(&file)? => file,
        Ok(_) | Err(Errno::ENOENT | Errno::ENOTDIR) => match Filesystem::open(c"proc")?.mount(0) {
            Ok(unseen) => openat(&unseen, "self/mountinfo", flags, Mode::empty())?,
            // Not in a user namespace that sees no whole one, and so has none anywhere.
            Err(Errno::EPERM) => return Ok(Vec::new()),
            Err(errno) => return Err(errno),
        },
        Err(errno) => return Err(errno),
    };
    let mut text = Vec::new();
    let read = File::from(file).read_to_end(&mut text);
    read.map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))?;
    Ok(text)
}

fn is_proc(file: &OwnedFd) -> nix::Result<bool> {
    Ok(fstatfs(file)?.filesystem_type() == PROC_SUPER_MAGIC)
}

fn failed(errno: Errno) -> Fault {
    Fault::new(errno, format!("hide /proc/self/mem from the module: {}", skiff_sys::errno_text(errno)))
}

/// Where whole proc filesystems are mounted (proc_pid_mountinfo(5)).
fn proc_mounts(mountinfo: &[u8]) -> impl Iterator<Item = PathBuf> {
    mountinfo.split(|&byte| byte == b'\n').filter_map(|line| {
        let mut fields = line.split(|&byte| byte == b' ');
        let (root, place) = (fields.nth(3)?, fields.next()?);
        let fstype = fields.skip_while(|field| *field != b"-").nth(1)?;
        (root == b"/" && fstype == b"proc").then(|| OsString::from_vec(unescaped(place)).into())
    })
}

/// Blanks, tabs, line breaks and backslashes are written in octal.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let digits = |text: &[u8]| u8::from_str_radix(std::str::from_utf8(text).ok()?, 8).ok();
    let (mut bytes, mut rest) = (Vec::new(), field);
    while let Some((&first, after)) = rest.split_first() {
        let escaped = (first == b'\\').then(|| digits(after.get(..3)?)).flatten();
        bytes.push(escaped.unwrap_or(first));
        rest = if escaped.is_some() { after.get(3..).unwrap_or_default() } else { after };
    }
    bytes
}

fn cover(place: &Path) -> nix::Result<()> {
    let Some(proc) = visible(place)? else { return Ok(()) };
    // Nobody who shares the mount is to get the covers.
    set_attributes(proc.as_fd(), 0, 0, libc::MS_PRIVATE, false)?;
    let refer = |path: &str| openat(&proc, path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty());
    let files = TWICE.iter().flat_map(|of| FILES.iter().map(move |file| format!("{of}/{file}")));
    // What a kernel does not have needs no cover.
    let found = files
        .filter_map(|path| refer(&path).map_or_else(|errno| (errno != Errno::ENOENT).then_some(Err(errno)), |fd| Some(Ok(fd))));
    let targets = found.collect::<nix::Result<Vec<OwnedFd>>>()?;
    let thread = match refer("thread-self") {
        // Of another pid namespace: this process is not in it.
        Err(Errno::ENOENT) => return Ok(()),
        other => other?,
    };
    let covers = covers(&proc, &thread, targets.len())?;
    covers.iter().zip(&targets).try_for_each(|(cover, target)| move_mount(cover.as_fd(), target.as_fd()))
}

/// The proc filesystem there, unless something lies over it.
fn visible(place: &Path) -> nix::Result<Option<OwnedFd>> {
    match crate::wasi::directory(place) {
        Ok(directory) => Ok(is_proc(&directory)?.then_some(directory)),
        // Something lies over what leads to it.
        Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Detached mounts of a file that nobody can open, or that is empty for whoever can. Only what is attached can be copied (before
/// Linux 6.15), so their filesystem lies over `thread` of `proc` meanwhile.
fn covers(proc: &OwnedFd, thread: &OwnedFd, count: usize) -> nix::Result<Vec<OwnedFd>> {
    let filesystem = Filesystem::open(c"tmpfs")?.mount(attr::NOSUID | attr::NODEV | attr::NOEXEC)?;
    drop(openat(&filesystem, COVER, OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty())?);
    move_mount(filesystem.as_fd(), thread.as_fd())?;
    let copies = (0..count).map(|_| {
        let copy = open_tree(Some(filesystem.as_fd()), COVER, false)?;
        set_attributes(copy.as_fd(), attr::RDONLY, 0, 0, false)?;
        Ok(copy)
    });
    let copies = copies.collect();
    unmount_thread(proc)?;
    copies
}

/// umount2 takes a name only: it is looked up from the descriptor, for the container may have moved the path meanwhile.
fn unmount_thread(proc: &OwnedFd) -> nix::Result<()> {
    let back = openat(AT_FDCWD, ".", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
    fchdir(proc)?;
    umount2("thread-self", MntFlags::MNT_DETACH)?;
    fchdir(back)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_proc_filesystems_are_found() {
        let mountinfo = b"1 0 0:1 / / rw - overlay overlay rw\n\
            2 1 0:2 / /proc rw,nosuid shared:3 master:4 - proc proc rw\n\
            3 2 0:2 /sys /proc/sys ro - proc proc rw\n\
            4 1 0:3 / /a\\040b\\134 rw - proc none rw\n\
            5 1 0:4 / /tmp rw - tmpfs proc rw\n\n";
        let found: Vec<PathBuf> = proc_mounts(mountinfo).collect();
        assert_eq!(found, [Path::new("/proc"), Path::new("/a b\\")]);
    }
}
