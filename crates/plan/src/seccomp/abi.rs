//! The calling conventions of the host's kernel: which call has which number, and how wide its arguments are.
//! The tables are those of the crate `syscalls`; what it lacks stands here. Parent side.

use oci_spec::runtime::Arch;
use syscalls::{aarch64, arm, x86, x86_64};

/// Marks the number of an x32 call (arch/x86/include/uapi/asm/unistd.h).
pub(super) const X32_BIT: u32 = 1 << 30;

/// One way to call the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Abi {
    X86_64,
    X32,
    X86,
    Aarch64,
    Arm,
}

/// What a call of this name is in one ABI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Call {
    /// Its number.
    pub(super) number: Option<u32>,
    /// Where it can also be made through another call: that one's number, and which first argument means it.
    pub(super) within: Option<(u32, u64)>,
}

impl Abi {
    /// The ABI that this program itself uses.
    pub(super) const NATIVE: Abi = if cfg!(target_arch = "aarch64") { Abi::Aarch64 } else { Abi::X86_64 };

    /// The ABI that `arch` of a profile means on a host whose own is `native`; `None`: such callers cannot exist there.
    pub(super) fn of(arch: Arch, native: Abi) -> Option<Abi> {
        match (arch, native) {
            (Arch::ScmpArchNative, _) => Some(native),
            (Arch::ScmpArchX86_64, Abi::X86_64) => Some(Abi::X86_64),
            (Arch::ScmpArchX32, Abi::X86_64) => Some(Abi::X32),
            (Arch::ScmpArchX86, Abi::X86_64) => Some(Abi::X86),
            (Arch::ScmpArchAarch64, Abi::Aarch64) => Some(Abi::Aarch64),
            (Arch::ScmpArchArm, Abi::Aarch64) => Some(Abi::Arm),
            _ => None,
        }
    }

    /// `AUDIT_ARCH_*` (include/uapi/linux/audit.h).
    pub(super) const fn audit_arch(self) -> u32 {
        match self {
            Abi::X86_64 | Abi::X32 => 0xc000_003e,
            Abi::X86 => 0x4000_0003,
            Abi::Aarch64 => 0xc000_00b7,
            Abi::Arm => 0x4000_0028,
        }
    }

    /// Whether 64 bits of an argument are compared. x32 counts as narrow, as in libseccomp.
    pub(super) const fn wide(self) -> bool {
        matches!(self, Abi::X86_64 | Abi::Aarch64)
    }

    /// The call `name`; `None` when this ABI has none.
    pub(super) fn call(self, name: &str) -> Option<Call> {
        let number = self.number(name);
        let within = if self == Abi::X86 { multiplexed(name) } else { None };
        (number.is_some() || within.is_some()).then_some(Call { number, within })
    }

    fn number(self, name: &str) -> Option<u32> {
        let number = match self {
            Abi::X86_64 => name.parse::<x86_64::Sysno>().ok()?.id(),
            Abi::X32 => return x32(name),
            // The crate writes the name as Rust does: r#break.
            Abi::X86 if name == "break" => 17,
            Abi::X86 => name.parse::<x86::Sysno>().ok()?.id(),
            Abi::Aarch64 => name.parse::<aarch64::Sysno>().ok()?.id(),
            Abi::Arm => name.parse::<arm::Sysno>().ok()?.id(),
        };
        u32::try_from(number).ok()
    }
}

/// x32 calls as arch/x86/entry/syscalls/syscall_64.tbl has them: those marked `x32` from 512 on, none for those marked
/// `64`, and x86_64's number for all others.
fn x32(name: &str) -> Option<u32> {
    let number = match name {
        "rt_sigaction" => 512,
        "rt_sigreturn" => 513,
        "ioctl" => 514,
        "readv" => 515,
        "writev" => 516,
        "recvfrom" => 517,
        "sendmsg" => 518,
        "recvmsg" => 519,
        "execve" => 520,
        "ptrace" => 521,
        "rt_sigpending" => 522,
        "rt_sigtimedwait" => 523,
        "rt_sigqueueinfo" => 524,
        "sigaltstack" => 525,
        "timer_create" => 526,
        "mq_notify" => 527,
        "kexec_load" => 528,
        "waitid" => 529,
        "set_robust_list" => 530,
        "get_robust_list" => 531,
        "vmsplice" => 532,
        "move_pages" => 533,
        "preadv" => 534,
        "pwritev" => 535,
        "rt_tgsigqueueinfo" => 536,
        "recvmmsg" => 537,
        "sendmmsg" => 538,
        "process_vm_readv" => 539,
        "process_vm_writev" => 540,
        "setsockopt" => 541,
        "getsockopt" => 542,
        "io_setup" => 543,
        "io_submit" => 544,
        "execveat" => 545,
        "preadv2" => 546,
        "pwritev2" => 547,
        "uselib" | "_sysctl" | "create_module" | "get_kernel_syms" | "query_module" | "nfsservctl" | "set_thread_area"
        | "get_thread_area" | "epoll_ctl_old" | "epoll_wait_old" | "vserver" | "map_shadow_stack" => return None,
        common => Abi::X86_64.number(common)?,
    };
    Some(X32_BIT | number)
}

/// The calls of sockets and System V IPC can on i386 also be made through socketcall(2) and ipc(2): that one's number, and
/// the code that means the call (include/uapi/linux/net.h and ipc.h).
fn multiplexed(name: &str) -> Option<(u32, u64)> {
    const SOCKETCALL: u32 = 102;
    const IPC: u32 = 117;
    Some(match name {
        "socket" => (SOCKETCALL, 1),
        "bind" => (SOCKETCALL, 2),
        "connect" => (SOCKETCALL, 3),
        "listen" => (SOCKETCALL, 4),
        "accept" => (SOCKETCALL, 5),
        "getsockname" => (SOCKETCALL, 6),
        "getpeername" => (SOCKETCALL, 7),
        "socketpair" => (SOCKETCALL, 8),
        "send" => (SOCKETCALL, 9),
        "recv" => (SOCKETCALL, 10),
        "sendto" => (SOCKETCALL, 11),
        "recvfrom" => (SOCKETCALL, 12),
        "shutdown" => (SOCKETCALL, 13),
        "setsockopt" => (SOCKETCALL, 14),
        "getsockopt" => (SOCKETCALL, 15),
        "sendmsg" => (SOCKETCALL, 16),
        "recvmsg" => (SOCKETCALL, 17),
        "accept4" => (SOCKETCALL, 18),
        "recvmmsg" => (SOCKETCALL, 19),
        "sendmmsg" => (SOCKETCALL, 20),
        "semop" => (IPC, 1),
        "semget" => (IPC, 2),
        "semctl" => (IPC, 3),
        "semtimedop" => (IPC, 4),
        "msgsnd" => (IPC, 11),
        "msgrcv" => (IPC, 12),
        "msgget" => (IPC, 13),
        "msgctl" => (IPC, 14),
        "shmat" => (IPC, 21),
        "shmdt" => (IPC, 22),
        "shmget" => (IPC, 23),
        "shmctl" => (IPC, 24),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn numbers() {
        let number = |abi: Abi, name| abi.call(name).and_then(|call| call.number);
        assert_eq!(number(Abi::X86_64, "execve"), Some(59));
        assert_eq!(number(Abi::X32, "execve"), Some(X32_BIT | 520));
        assert_eq!(number(Abi::X32, "pwritev2"), Some(X32_BIT | 547));
        assert_eq!(number(Abi::X32, "read"), Some(X32_BIT));
        assert_eq!(number(Abi::X32, "uselib"), None);
        assert_eq!(number(Abi::X86, "break"), Some(17));
        assert_eq!(number(Abi::X86, "execve"), Some(11));
        assert_eq!(number(Abi::Aarch64, "execve"), Some(221));
        assert_eq!(number(Abi::Arm, "execve"), Some(11));
        assert_eq!(Abi::Aarch64.call("open"), None);
        assert_eq!(Abi::X86_64.call("no such call"), None);
        // The crate's iterator misses the newest call; the look-up must not.
        assert_eq!(number(Abi::X86_64, "file_setattr"), Some(469));
    }

    #[test]
    fn i386_calls_through_others() {
        assert_eq!(Abi::X86.call("send"), Some(Call { number: None, within: Some((102, 9)) }));
        assert_eq!(Abi::X86.call("socket"), Some(Call { number: Some(359), within: Some((102, 1)) }));
        assert_eq!(Abi::X86.call("shmctl"), Some(Call { number: Some(396), within: Some((117, 24)) }));
        assert_eq!(Abi::X86_64.call("send"), None);
    }

    #[test]
    fn architectures_of_other_machines() {
        assert_eq!(Abi::of(Arch::ScmpArchArm, Abi::X86_64), None);
        assert_eq!(Abi::of(Arch::ScmpArchArm, Abi::Aarch64), Some(Abi::Arm));
        assert_eq!(Abi::of(Arch::ScmpArchX32, Abi::Aarch64), None);
        assert_eq!(Abi::of(Arch::ScmpArchNative, Abi::Aarch64), Some(Abi::Aarch64));
    }
}
