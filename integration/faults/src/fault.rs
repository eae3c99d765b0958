//! What is injected, and where: the address of one system call of one process, stable from run to run.

use nix::errno::Errno;
use std::fmt;
use syscalls::Sysno;

/// One system call of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Step {
    /// Which process: 0 is the one that the client called, then in the order of creation.
    pub process: usize,
    /// System call number.
    pub number: i64,
    /// The nth call of this number by this process, from 1; an execve does not start anew.
    pub nth: u32,
}

impl Step {
    /// The call's name, or its number where the table does not know it.
    pub fn name(&self) -> String {
        let known = usize::try_from(self.number).ok().and_then(Sysno::new);
        known.map_or_else(|| self.number.to_string(), |call| call.name().to_owned())
    }

    /// Whether the kernel ever reports an error for the call; some always succeed, some do not return.
    pub fn can_fail(&self) -> bool {
        const NEVER: [&str; 13] = [
            "exit",
            "exit_group",
            "rt_sigreturn",
            "umask",
            "getpid",
            "getppid",
            "gettid",
            "getuid",
            "geteuid",
            "getgid",
            "getegid",
            "set_tid_address",
            "sched_yield",
        ];
        !NEVER.contains(&self.name().as_str())
    }

    /// Whether skiff has another way when the call fails like that, which leads to a container that looks different: where making
    /// a device is denied, it binds the host's.
    pub fn has_another_way(&self, errno: nix::errno::Errno) -> bool {
        self.name() == "mknodat" && errno == nix::errno::Errno::EPERM
    }

    /// Whether the call may carry a word from parent to init or back.
    pub fn sends(&self) -> bool {
        matches!(self.name().as_str(), "write" | "sendto" | "sendmsg")
    }

    /// Whether the kernel does the work even when it reports an error: a closed descriptor stays closed (close(2), "EINTR").
    pub fn works_though_failing(&self) -> bool {
        self.name() == "close"
    }

    /// Whether libc or Rust's runtime may give up without a word when this fails: memory, and what runs before main.
    pub fn may_abort(&self) -> bool {
        const CALLS: [&str; 18] = [
            "arch_prctl",
            "brk",
            "execve",
            "execveat",
            "futex",
            "getrandom",
            "mmap",
            "mprotect",
            "mremap",
            "munmap",
            "poll",
            "prlimit64",
            "readlink",
            "readlinkat",
            "rseq",
            "rt_sigaction",
            "set_tid_address",
            "sigaltstack",
        ];
        CALLS.contains(&self.name().as_str())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.process, self.name(), self.nth)
    }
}

/// What happens at the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The call is not made and returns this.
    Error(Errno),
    /// The process is killed instead of making the call.
    Kill,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Error(errno) => write!(f, "{errno:?}"),
            Fault::Kill => f.write_str("SIGKILL"),
        }
    }
}
