//! Landlock (landlock(7)): no file but those below one directory, no network, no signal or socket to others. Runs in the compiler, whose
//! root has little in it anyway; a kernel without Landlock is no reason not to compile.

use nix::errno::Errno;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

const VERSION: u32 = 1;
const RULE_PATH_BENEATH: u32 = 1;
/// Every right on files up to version 5 of the interface.
const FILES: u64 = (1 << 16) - 1;
const EXECUTE: u64 = 1;
/// Rights by the version that brought them: refer, truncate, ioctl on devices.
const SINCE: [(i64, u64); 3] = [(2, 1 << 13), (3, 1 << 14), (5, 1 << 15)];
/// bind and connect of TCP, since version 4.
const NET: u64 = 0b11;
/// Abstract sockets and signals, since version 6.
const SCOPES: u64 = 0b11;

#[repr(C)]
struct Ruleset {
    files: u64,
    net: u64,
    scoped: u64,
}

#[repr(C, packed)]
struct Beneath {
    allowed: u64,
    parent: i32,
}

/// Leaves this process everything but execution below `directory`, and nothing else. `false`: the kernel has no Landlock.
///
/// # Errors
/// As landlock_restrict_self(2): without no_new_privs it is EPERM.
pub(crate) fn only(directory: BorrowedFd<'_>) -> nix::Result<bool> {
    let nothing = std::ptr::null::<Ruleset>();
    // SAFETY: with this flag the kernel reads nothing.
    let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, nothing, 0, VERSION) };
    if version < 1 {
        return Ok(false);
    }
    let unknown: u64 = SINCE.iter().filter(|(since, _)| version < *since).map(|(_, right)| right).sum();
    let files = FILES & !unknown;
    let rules = Ruleset { files, net: if version >= 4 { NET } else { 0 }, scoped: if version >= 6 { SCOPES } else { 0 } };
    // Older kernels know a shorter structure, and take a longer one whose rest is zero.
    // SAFETY: the kernel reads one structure of this size.
    let ruleset = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, &raw const rules, size_of::<Ruleset>(), 0) };
    let ruleset = Errno::result(ruleset)?;
    // SAFETY: the call succeeded, so this is a new descriptor that nobody else owns.
    let ruleset = unsafe { OwnedFd::from_raw_fd(ruleset as i32) };
    let beneath = Beneath { allowed: files & !EXECUTE, parent: directory.as_raw_fd() };
    let rule = &raw const beneath;
    // SAFETY: the kernel reads one structure of this kind.
    Errno::result(unsafe { libc::syscall(libc::SYS_landlock_add_rule, ruleset.as_raw_fd(), RULE_PATH_BENEATH, rule, 0) })?;
    // SAFETY: integers only.
    Errno::result(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0) })?;
    Ok(true)
}
