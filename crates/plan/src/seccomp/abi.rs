//! The calling conventions of the host's kernel: which call has which number, and how wide its arguments are.
//! The tables are those of the crate `syscalls`; what it lacks stands here. Parent side.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::iter::once;

use oci_spec::runtime::Arch;
use syscalls::{aarch64, arm, x86, x86_64};

/// Marks the number of an x32 call (arch/x86/include/uapi/asm/unistd.h).
pub(super) const X32_BIT: u32 = 1 << 30;

/// The names and numbers of one of the crate's tables. Its iterator leaves out the last call, and it writes a name that
/// is a word of Rust as Rust does (`r#break`).
macro_rules! named {
    ($abi:ident) => {
        $abi::Sysno::iter().chain(once($abi::Sysno::last())).map(|call| {
            let name = call.name();
            (name.strip_prefix("r#").unwrap_or(name), call.id())
        })
    };
}

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

    /// All calls by name. A profile names hundreds, so they are looked up here and not in the crate, whose own look-up
    /// compares one name after the other.
    pub(super) fn calls(self) -> Calls {
        match self {
            Abi::X86_64 => numbered(x86_64()),
            Abi::X32 => x32(),
            Abi::X86 => i386(),
            Abi::Aarch64 => numbered(named!(aarch64)),
            Abi::Arm => numbered(named!(arm)),
        }
    }
}

/// The calls of one ABI by name.
pub(super) type Calls = HashMap<&'static str, Call, BuildHasherDefault<DefaultHasher>>;

fn numbered(names: impl Iterator<Item = (&'static str, i32)>) -> Calls {
    let mut calls = Calls::with_capacity_and_hasher(512, BuildHasherDefault::default());
    calls.extend(names.map(|(name, number)| (name, Call { number: u32::try_from(number).ok(), within: None })));
    calls
}

fn x86_64() -> impl Iterator<Item = (&'static str, i32)> {
    named!(x86_64)
}

/// x86_64's number with bit 30, but for those that have an entry of their own (arch/x86/entry/syscalls/syscall_64.tbl).
fn x32() -> Calls {
    let mut calls = numbered(x86_64().map(|(name, number)| (name, X32_BIT as i32 | number)));
    calls.extend(
        X32_FROM_512.into_iter().zip(X32_BIT | 512..).map(|(name, number)| (name, Call { number: Some(number), within: None })),
    );
    for name in X32_LACKS {
        calls.remove(name);
    }
    calls
}

/// On i386 the calls of sockets and System V IPC can also be made through socketcall(2) and ipc(2).
fn i386() -> Calls {
    const SOCKETCALL: u32 = 102;
    const IPC: u32 = 117;
    let mut calls = numbered(named!(x86));
    let mut add = |name, within| calls.entry(name).or_insert(Call { number: None, within: None }).within = Some(within);
    SOCKETCALLS.into_iter().zip(1..).for_each(|(name, code)| add(name, (SOCKETCALL, code)));
    IPC_CALLS.into_iter().for_each(|(name, code)| add(name, (IPC, code)));
    calls
}

/// `x32` of syscall_64.tbl: 512 and on.
const X32_FROM_512: [&str; 36] = [
    "rt_sigaction",
    "rt_sigreturn",
    "ioctl",
    "readv",
    "writev",
    "recvfrom",
    "sendmsg",
    "recvmsg",
    "execve",
    "ptrace",
    "rt_sigpending",
    "rt_sigtimedwait",
    "rt_sigqueueinfo",
    "sigaltstack",
    "timer_create",
    "mq_notify",
    "kexec_load",
    "waitid",
    "set_robust_list",
    "get_robust_list",
    "vmsplice",
    "move_pages",
    "preadv",
    "pwritev",
    "rt_tgsigqueueinfo",
    "recvmmsg",
    "sendmmsg",
    "process_vm_readv",
    "process_vm_writev",
    "setsockopt",
    "getsockopt",
    "io_setup",
    "io_submit",
    "execveat",
    "preadv2",
    "pwritev2",
];

/// `64` of syscall_64.tbl, and not above.
const X32_LACKS: [&str; 12] = [
    "uselib",
    "_sysctl",
    "create_module",
    "get_kernel_syms",
    "query_module",
    "nfsservctl",
    "set_thread_area",
    "get_thread_area",
    "epoll_ctl_old",
    "epoll_wait_old",
    "vserver",
    "map_shadow_stack",
];

/// `SYS_*` of include/uapi/linux/net.h: 1 and on.
const SOCKETCALLS: [&str; 20] = [
    "socket",
    "bind",
    "connect",
    "listen",
    "accept",
    "getsockname",
    "getpeername",
    "socketpair",
    "send",
    "recv",
    "sendto",
    "recvfrom",
    "shutdown",
    "setsockopt",
    "getsockopt",
    "sendmsg",
    "recvmsg",
    "accept4",
    "recvmmsg",
    "sendmmsg",
];

/// include/uapi/linux/ipc.h.
const IPC_CALLS: [(&str, u64); 12] = [
    ("semop", 1),
    ("semget", 2),
    ("semctl", 3),
    ("semtimedop", 4),
    ("msgsnd", 11),
    ("msgrcv", 12),
    ("msgget", 13),
    ("msgctl", 14),
    ("shmat", 21),
    ("shmdt", 22),
    ("shmget", 23),
    ("shmctl", 24),
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn numbers() {
        let number = |abi: Abi, name| abi.calls().get(name).and_then(|call| call.number);
        assert_eq!(number(Abi::X86_64, "execve"), Some(59));
        assert_eq!(number(Abi::X32, "execve"), Some(X32_BIT | 520));
        assert_eq!(number(Abi::X32, "pwritev2"), Some(X32_BIT | 547));
        assert_eq!(number(Abi::X32, "read"), Some(X32_BIT));
        assert_eq!(number(Abi::X32, "uselib"), None);
        assert_eq!(number(Abi::X86, "break"), Some(17));
        assert_eq!(number(Abi::X86, "execve"), Some(11));
        assert_eq!(number(Abi::Aarch64, "execve"), Some(221));
        assert_eq!(number(Abi::Arm, "execve"), Some(11));
        assert_eq!(Abi::Aarch64.calls().get("open"), None);
        assert_eq!(Abi::X86_64.calls().get("no such call"), None);
        // The crate's iterator misses the newest call; the look-up must not.
        assert_eq!(number(Abi::X86_64, "file_setattr"), Some(469));
    }

    #[test]
    fn i386_calls_through_others() {
        let calls = Abi::X86.calls();
        assert_eq!(calls.get("send"), Some(&Call { number: None, within: Some((102, 9)) }));
        assert_eq!(calls.get("socket"), Some(&Call { number: Some(359), within: Some((102, 1)) }));
        assert_eq!(calls.get("shmctl"), Some(&Call { number: Some(396), within: Some((117, 24)) }));
        assert_eq!(Abi::X86_64.calls().get("send"), None);
    }

    #[test]
    fn architectures_of_other_machines() {
        assert_eq!(Abi::of(Arch::ScmpArchArm, Abi::X86_64), None);
        assert_eq!(Abi::of(Arch::ScmpArchArm, Abi::Aarch64), Some(Abi::Arm));
        assert_eq!(Abi::of(Arch::ScmpArchX32, Abi::Aarch64), None);
        assert_eq!(Abi::of(Arch::ScmpArchNative, Abi::Aarch64), Some(Abi::Aarch64));
    }
}
