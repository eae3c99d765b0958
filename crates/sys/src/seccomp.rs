//! seccomp(2): what the kernel can do, and loading a filter. The parent asks, init loads. What the filter says is
//! crates/plan's.

use crate::check;
use nix::errno::Errno;

// linux/seccomp.h
const SET_MODE_FILTER: libc::c_uint = 1;
const GET_ACTION_AVAIL: libc::c_uint = 2;
/// `SECCOMP_FILTER_FLAG_LOG`: log every action but allow (since Linux 4.14).
pub const FLAG_LOG: u32 = 1 << 1;
/// `SECCOMP_FILTER_FLAG_SPEC_ALLOW`: no mitigation of speculative store bypass (since Linux 4.17).
pub const FLAG_SPEC_ALLOW: u32 = 1 << 2;

/// One instruction of classic BPF, `struct sock_filter` of linux/filter.h.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SockFilter {
    /// Operation.
    pub code: u16,
    /// Instructions to skip when the comparison is true.
    pub jt: u8,
    /// Instructions to skip when it is false.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

const _: () = assert!(size_of::<SockFilter>() == size_of::<libc::sock_filter>());

/// Loads a filter for the calling thread, for good. `flags` are `SECCOMP_FILTER_FLAG_*` without a listener.
///
/// # Errors
/// As seccomp(2): EACCES without CAP_SYS_ADMIN (in the thread's user namespace) and without no_new_privs, EINVAL for a
/// program that the kernel does not take or a flag that it does not know.
pub fn load(program: &[SockFilter], flags: u32) -> nix::Result<()> {
    let len = libc::c_ushort::try_from(program.len()).map_err(|_| Errno::EINVAL)?;
    let program = libc::sock_fprog { len, filter: program.as_ptr().cast::<libc::sock_filter>().cast_mut() };
    // SAFETY: the kernel reads `len` instructions, which outlive the call, and writes none; the two types of an
    // instruction are laid out alike.
    check(unsafe { libc::syscall(libc::SYS_seccomp, SET_MODE_FILTER, flags, &raw const program) }).map(drop)
}

/// Whether the kernel knows an action (`SECCOMP_RET_*`, data 0), since Linux 4.14.
#[must_use]
pub fn available(action: u32) -> bool {
    // SAFETY: the kernel reads one integer, which outlives the call.
    check(unsafe { libc::syscall(libc::SYS_seccomp, GET_ACTION_AVAIL, 0, &raw const action) }).is_ok()
}

/// Which of the flags that a profile can name the kernel has: [`FLAG_LOG`], [`FLAG_SPEC_ALLOW`].
#[must_use]
pub fn flags() -> u32 {
    [FLAG_LOG, FLAG_SPEC_ALLOW].into_iter().filter(|&flag| has(flag)).sum()
}

/// A flag that the kernel does not know is EINVAL; one that it knows lets it go on to the program, which is nowhere.
fn has(flag: u32) -> bool {
    // SAFETY: the null pointer is never a filter; the kernel fails to copy from it.
    let answer = unsafe { libc::syscall(libc::SYS_seccomp, SET_MODE_FILTER, flag, std::ptr::null::<libc::sock_fprog>()) };
    check(answer) == Err(Errno::EFAULT)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn what_the_kernel_has() {
        assert!(available(0x7fff_0000), "SECCOMP_RET_ALLOW");
        assert!(available(0x8000_0000), "SECCOMP_RET_KILL_PROCESS");
        assert!(!available(0x1234_0000));
        assert_eq!(flags(), FLAG_LOG | FLAG_SPEC_ALLOW);
    }

    /// In a thread of its own, which is the only one that the filter is for.
    #[test]
    fn a_filter_without_a_new_restriction_loads() {
        let loaded = std::thread::spawn(|| {
            nix::sys::prctl::set_no_new_privs().unwrap();
            let allow = SockFilter { code: 0x06, jt: 0, jf: 0, k: 0x7fff_0000 };
            let endless = SockFilter { code: 0x05, jt: 0, jf: 0, k: 7 };
            (load(&[endless, allow], 0), load(&[allow], FLAG_SPEC_ALLOW))
        });
        assert_eq!(loaded.join().unwrap(), (Err(Errno::EINVAL), Ok(())));
    }
}
