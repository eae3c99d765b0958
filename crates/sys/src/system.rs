//! Small calls of init that glibc wraps badly or nix leaves out.

use crate::check;
use nix::errno::Errno;
use nix::unistd::Pid;
use std::ffi::CStr;

/// setdomainname(2).
///
/// # Errors
/// As setdomainname(2).
pub fn set_domain_name(name: &CStr) -> nix::Result<()> {
    let name = name.to_bytes();
    // SAFETY: pointer and length describe the slice.
    check(unsafe { libc::syscall(libc::SYS_setdomainname, name.as_ptr(), name.len()) }).map(drop)
}

/// The working directory lies below the process' root: the kernel's own answer begins with a slash and not with
/// `(unreachable)`. glibc's getcwd hides the difference (CVE-2024-21626).
///
/// # Errors
/// As getcwd(2); `ENOENT` for a removed directory.
pub fn cwd_is_reachable() -> nix::Result<bool> {
    let mut path = [0u8; libc::PATH_MAX as usize];
    // SAFETY: the kernel writes at most the given length into the buffer.
    check(unsafe { libc::syscall(libc::SYS_getcwd, path.as_mut_ptr(), path.len()) })?;
    Ok(path[0] == b'/')
}

/// Sets the file mode creation mask: its permission bits, 0 to 0o777. It cannot fail.
pub fn set_umask(mask: u32) {
    // SAFETY: integers only.
    unsafe { libc::umask(mask) };
}

/// Lets a process run on every processor that its cgroup allows, whatever whoever started it was bound to. Linux 6.2 and later
/// remember that through a change of cgroup.
///
/// # Errors
/// As sched_setaffinity(2): `EPERM` for a process of somebody else.
pub fn run_anywhere(pid: Pid) -> nix::Result<()> {
    // No kernel has more processors (CONFIG_NR_CPUS); what the machine or the cpuset has not, it leaves out.
    let mask = [0xff_u8; 8192 / 8];
    // SAFETY: pointer and length describe the array, which the kernel only reads.
    check(unsafe { libc::syscall(libc::SYS_sched_setaffinity, pid.as_raw(), mask.len(), mask.as_ptr()) }).map(drop)
}

/// Reaps one child that has ended, without waiting: its pid, and its exit code as a shell tells it (128 plus the signal
/// that ended it, real-time signals included, which nix refuses). `None`: none has ended.
///
/// # Errors
/// As waitpid(2), without `ECHILD`.
pub fn reap_any() -> nix::Result<Option<(Pid, u8)>> {
    let mut status = 0;
    // SAFETY: the kernel stores one int through the pointer.
    match check(unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) }.into()) {
        Ok(0) | Err(Errno::ECHILD) => Ok(None),
        Ok(pid) => Ok(Some((Pid::from_raw(pid as i32), shell_code(status)))),
        Err(errno) => Err(errno),
    }
}

fn shell_code(status: libc::c_int) -> u8 {
    if libc::WIFSIGNALED(status) { 128 + libc::WTERMSIG(status) as u8 } else { libc::WEXITSTATUS(status) as u8 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_a_shells() {
        assert_eq!(shell_code(7 << 8), 7);
        assert_eq!(shell_code(libc::SIGKILL), 137);
        assert_eq!(shell_code(40), 168);
    }
}
