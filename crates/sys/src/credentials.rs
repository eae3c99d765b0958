//! User, group and capability changes of the calling thread. init side, where there is one thread: the raw calls
//! do without glibc's signalling of other threads.

use crate::check;
use nix::sys::prctl;

/// The three sets of capset(2), bit n for capability n.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CapSets {
    /// Effective.
    pub effective: u64,
    /// Permitted.
    pub permitted: u64,
    /// Inheritable.
    pub inheritable: u64,
}

/// `_LINUX_CAPABILITY_VERSION_3`.
const CAPABILITY_VERSION: u32 = 0x2008_0522;

#[repr(C)]
struct CapHeader {
    version: u32,
    pid: i32,
}

#[repr(C)]
struct CapData {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// setgroups(2).
///
/// # Errors
/// `EPERM` without CAP_SETGID, or where a user namespace denies it.
pub fn set_groups(groups: &[u32]) -> nix::Result<()> {
    // SAFETY: pointer and length describe the slice; the kernel only reads it.
    check(unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) }).map(drop)
}

/// setresgid(2), then setresuid(2), with capabilities kept across where the user is not root (`PR_SET_KEEPCAPS`, cleared again).
///
/// # Errors
/// `EPERM` without CAP_SETGID or CAP_SETUID, `EINVAL` for an id without a mapping.
pub fn set_ids(uid: u32, gid: u32) -> nix::Result<()> {
    if uid != 0 {
        prctl::set_keepcaps(true)?;
    }
    // SAFETY: integers only.
    check(unsafe { libc::syscall(libc::SYS_setresgid, gid, gid, gid) })?;
    // SAFETY: integers only.
    check(unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) })?;
    if uid != 0 { prctl::set_keepcaps(false) } else { Ok(()) }
}

/// capset(2) of the calling thread.
///
/// # Errors
/// `EPERM` for a capability that is not permitted.
pub fn capset(sets: CapSets) -> nix::Result<()> {
    let header = CapHeader { version: CAPABILITY_VERSION, pid: 0 };
    let word = |shift: u32| CapData {
        effective: (sets.effective >> shift) as u32,
        permitted: (sets.permitted >> shift) as u32,
        inheritable: (sets.inheritable >> shift) as u32,
    };
    let data = [word(0), word(32)];
    // SAFETY: header and data have the layout of version 3, two words, and outlive the call.
    check(unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) }).map(drop)
}

/// Drops capability number `cap` from the bounding set.
///
/// # Errors
/// `EPERM` without CAP_SETPCAP, `EINVAL` for an unknown number.
pub fn drop_bounding(cap: u32) -> nix::Result<()> {
    // SAFETY: integers only.
    check(unsafe { libc::syscall(libc::SYS_prctl, libc::PR_CAPBSET_DROP, cap, 0, 0, 0) }).map(drop)
}

/// Raises capability number `cap` in the ambient set.
///
/// # Errors
/// `EPERM` unless it is both permitted and inheritable.
pub fn raise_ambient(cap: u32) -> nix::Result<()> {
    // SAFETY: integers only.
    check(unsafe { libc::syscall(libc::SYS_prctl, libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE, cap, 0, 0) }).map(drop)
}

/// prlimit(2) of process `pid`, 0 for the caller. `u64::MAX` is `RLIM_INFINITY`.
///
/// # Errors
/// `EPERM` for raising a hard limit without CAP_SYS_RESOURCE, or for a process of another user without it.
pub fn set_rlimit(pid: i32, resource: u32, soft: u64, hard: u64) -> nix::Result<()> {
    let limit = libc::rlimit64 { rlim_cur: soft, rlim_max: hard };
    let no_old = std::ptr::null_mut::<libc::rlimit64>();
    // SAFETY: the kernel reads one rlimit64 and writes no old one.
    check(unsafe { libc::syscall(libc::SYS_prlimit64, pid, resource, &raw const limit, no_old) }).map(drop)
}
