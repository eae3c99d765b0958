//! The mounts below the root. Destinations are descriptors found inside the root; nothing is mounted by name. init side.

use super::copy_up;
use super::root::{Fd, Root, kind};
use crate::steps::{About, Fault};
use nix::errno::Errno;
use nix::mount::MsFlags;
use nix::sys::stat::{SFlag, fstat};
use skiff_plan::{Mount, MountKind, NewFilesystem};
use skiff_sys::leave_open;
use skiff_sys::mount::{Filesystem, attr, move_mount, open_tree, set_attributes};
use std::ffi::CString;
use std::path::Path;

/// Superblock flags by their plan name.
const SUPERBLOCK: [(&str, libc::c_ulong); 9] = [
    ("ro", libc::MS_RDONLY),
    ("sync", libc::MS_SYNCHRONOUS),
    ("dirsync", libc::MS_DIRSYNC),
    ("mand", libc::MS_MANDLOCK),
    ("lazytime", libc::MS_LAZYTIME),
    ("iversion", libc::MS_I_VERSION),
    ("silent", libc::MS_SILENT),
    ("posixacl", libc::MS_POSIXACL),
    ("nosymfollow", MS_NOSYMFOLLOW),
];

/// Mount attributes as mount(2) has them.
const ATTRIBUTES: [(u64, libc::c_ulong); 8] = [
    (attr::RDONLY, libc::MS_RDONLY),
    (attr::NOSUID, libc::MS_NOSUID),
    (attr::NODEV, libc::MS_NODEV),
    (attr::NOEXEC, libc::MS_NOEXEC),
    (attr::NOATIME, libc::MS_NOATIME),
    (attr::STRICTATIME, libc::MS_STRICTATIME),
    (attr::NODIRATIME, libc::MS_NODIRATIME),
    (attr::NOSYMFOLLOW, MS_NOSYMFOLLOW),
];

const MS_NOSYMFOLLOW: libc::c_ulong = 256;

/// Makes one mount of the plan.
pub(super) fn mount(root: &Root, mount: &Mount, opened: Option<Fd>, own: Option<&Path>) -> Result<(), Fault> {
    let mounted = match &mount.kind {
        MountKind::Bind { source, recursive } => bind(root, mount, source, *recursive, opened)?,
        MountKind::New(new) => new_filesystem(root, mount, new, own)?,
        MountKind::Remount => remount(root, mount)?,
    };
    root.mounted(&mount.destination);
    if mount.recursive_attr != Default::default() {
        set_attributes(mounted, mount.recursive_attr.set, mount.recursive_attr.clear, 0, true)?;
    }
    for flags in &mount.propagation {
        set_attributes(mounted, 0, 0, flags & !libc::MS_REC, flags & libc::MS_REC != 0).about("propagation")?;
    }
    Ok(())
}

/// Every kind of mount gives back a descriptor of it; where further changes want none, this one is cheaper than looking again.
fn wants_more(mount: &Mount) -> bool {
    mount.recursive_attr != Default::default() || !mount.propagation.is_empty()
}

fn bind(root: &Root, mount: &Mount, source: &Path, recursive: bool, opened: Option<Fd>) -> Result<Fd, Fault> {
    let tree = match opened {
        Some(tree) => tree,
        None => open_tree(None, source, recursive).map(leave_open).about(format_args!("source {}", source.display()))?,
    };
    if mount.attr != Default::default() {
        set_attributes(tree, mount.attr.set, mount.attr.clear, 0, false)?;
    }
    let target = match root.find(&mount.destination, mount.no_symlinks) {
        Err(Errno::ENOENT) => root.find_or_make(&mount.destination, kind(tree)?, mount.no_symlinks)?,
        _ => root.find_or_make(&mount.destination, SFlag::S_IFREG, mount.no_symlinks)?,
    };
    move_mount(tree, target)?;
    Ok(tree)
}

fn new_filesystem(root: &Root, mount: &Mount, new: &NewFilesystem, own: Option<&Path>) -> Result<Fd, Fault> {
    let target = root.find_or_make(&mount.destination, SFlag::S_IFDIR, mount.no_symlinks)?;
    if new.copy_up {
        return with_copy(mount, new, target);
    }
    // mount(2) needs a path; "." of a directory entered by descriptor is one that nobody can exchange. It costs three calls
    // where the newer interface takes one for every option, and knows no limit of 255 bytes to an option's value.
    nix::unistd::fchdir(target)?;
    let mut flags = translate(&ATTRIBUTES, |bit| mount.attr.set & bit == *bit);
    flags |= translate(&SUPERBLOCK, |name| new.flags.contains(name));
    let options = options(new, target)?.join(",");
    let data = CString::new(options).map_err(|_| Errno::EINVAL)?;
    let data = (!data.is_empty()).then_some(data.as_c_str());
    let flags = MsFlags::from_bits_retain(flags);
    match nix::mount::mount(Some(new.source.as_c_str()), ".", Some(new.fstype.as_c_str()), flags, data) {
        Err(Errno::EPERM | Errno::EBUSY) if new.fstype.as_c_str() == c"cgroup2" => return bind_cgroup2(mount, target, own),
        other => other.map_err(|errno| Fault::new(errno, complaint(new).unwrap_or_default()))?,
    }
    if wants_more(mount) { Ok(root.find(&mount.destination, mount.no_symlinks)?) } else { Ok(target) }
}

/// A user namespace may not always mount cgroup2, but it may see its own cgroup, or the host's where it has none: read-only, or
/// it could write wherever its user can (CVE-2023-25809).
fn bind_cgroup2(mount: &Mount, target: Fd, own: Option<&Path>) -> Result<Fd, Fault> {
    let source = own.unwrap_or(Path::new("/sys/fs/cgroup"));
    let tree = leave_open(open_tree(None, source, false).about(format_args!("{} of the host", source.display()))?);
    set_attributes(tree, mount.attr.set | attr::RDONLY, 0, 0, false)?;
    move_mount(tree, target)?;
    Ok(tree)
}

/// A tmpfs without a mode takes that of the directory it covers, as runc's does.
fn options(new: &NewFilesystem, target: Fd) -> Result<Vec<String>, Fault> {
    let mut options = new.options.clone();
    if new.fstype.as_c_str() == c"tmpfs" && !options.iter().any(|option| option.starts_with("mode=")) {
        options.push(format!("mode={:o}", fstat(target)?.st_mode & 0o7777));
    }
    Ok(options)
}

fn translate<T>(table: &[(T, libc::c_ulong)], wanted: impl Fn(&T) -> bool) -> libc::c_ulong {
    table.iter().filter(|(name, _)| wanted(name)).fold(0, |flags, (_, flag)| flags | flag)
}

/// Why the filesystem refuses its options, in its own words: mount(2) has only an errno for that.
fn complaint(new: &NewFilesystem) -> Option<String> {
    let context = Filesystem::open(&new.fstype).ok()?;
    let refused = new.options.iter().find(|option| configure(&context, option).is_err())?;
    Some(context.complaint().unwrap_or_else(|| format!("option {refused}")))
}

fn configure(context: &Filesystem, option: &str) -> nix::Result<()> {
    let text = |text: &str| CString::new(text).map_err(|_| Errno::EINVAL);
    match option.split_once('=') {
        Some((name, value)) => context.option(&text(name)?, &text(value)?),
        None => context.flag(&text(option)?),
    }
}

/// A tmpfs that first receives what lies at the destination, and only then covers it.
fn with_copy(mount: &Mount, new: &NewFilesystem, target: Fd) -> Result<Fd, Fault> {
    let context = Filesystem::open(&new.fstype)?;
    context.option(c"source", &new.source)?;
    for option in &options(new, target)? {
        configure(&context, option).map_err(|errno| Fault::new(errno, context.complaint().unwrap_or_else(|| option.clone())))?;
    }
    let tree = leave_open(context.mount(mount.attr.set & !attr::RDONLY)?);
    copy_up::copy(target, tree)?;
    set_attributes(tree, mount.attr.set & attr::RDONLY, 0, 0, false)?;
    move_mount(tree, target)?;
    Ok(tree)
}

fn remount(root: &Root, mount: &Mount) -> Result<Fd, Fault> {
    let target = root.find(&mount.destination, mount.no_symlinks)?;
    set_attributes(target, mount.attr.set, mount.attr.clear, 0, false)?;
    Ok(target)
}
