//! The system call number and result of a stopped process: the one part of the tracer that knows the architecture.

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::unistd::Pid;

/// Whether errors can be injected here; SIGKILL always can.
pub const CAN_FAIL_CALLS: bool = cfg!(target_arch = "x86_64");

/// The number of the system call that `pid` has stopped in.
#[cfg(target_arch = "x86_64")]
pub fn number(pid: Pid) -> nix::Result<i64> {
    Ok(ptrace::getregs(pid)?.orig_rax.cast_signed())
}

/// The number of the system call that `pid` has stopped in.
#[cfg(target_arch = "aarch64")]
pub fn number(pid: Pid) -> nix::Result<i64> {
    Ok(ptrace::getregset::<ptrace::regset::NT_PRSTATUS>(pid)?.regs[8].cast_signed())
}

/// At the entry stop: makes the kernel skip the call.
#[cfg(target_arch = "x86_64")]
pub fn skip(pid: Pid) -> nix::Result<()> {
    let mut regs = ptrace::getregs(pid)?;
    regs.orig_rax = u64::MAX;
    ptrace::setregs(pid, regs)
}

/// At the exit stop: makes the call return `error`.
#[cfg(target_arch = "x86_64")]
pub fn fail(pid: Pid, error: Errno) -> nix::Result<()> {
    let mut regs = ptrace::getregs(pid)?;
    regs.rax = (-i64::from(error as i32)).cast_unsigned();
    ptrace::setregs(pid, regs)
}

/// Skipping a call needs the register set NT_ARM_SYSTEM_CALL, which nix does not have.
#[cfg(not(target_arch = "x86_64"))]
pub fn skip(_: Pid) -> nix::Result<()> {
    Err(Errno::ENOTSUP)
}

/// See [`skip`].
#[cfg(not(target_arch = "x86_64"))]
pub fn fail(_: Pid, _: Errno) -> nix::Result<()> {
    Err(Errno::ENOTSUP)
}
