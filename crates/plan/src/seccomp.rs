//! `linux.seccomp`, decided: from names to numbers, and for every call of every architecture what happens to it.
//! Parent side. [`Seccomp::compile`] turns the result into the program that init loads.
//!
//! The verdicts are those of libseccomp driven by runc (integration/seccomp compares them call by call):
//! - The native architecture is always judged. A 32-bit or x32 caller is judged by its own table when the profile
//!   lists its architecture, and is killed (the thread) when it does not. Architectures of other machines say nothing.
//! - A name that an architecture does not have says nothing there. A rule that does what the default does is no rule.
//! - Among several rules for one call an unconditional one decides alone; else see `order`.
//! - A call that is newer than everything the profile names gets ENOSYS unless the default lets calls through, so that
//!   a C library falls back instead of taking EPERM for an answer.

mod abi;
mod assembler;
mod compile;
#[cfg(test)]
mod machine;
mod order;
mod rules;
mod table;
#[cfg(test)]
mod tests;

use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompFilterFlag};

use crate::Error;

pub use rules::SECCOMP_ACTIONS;

/// `SECCOMP_FILTER_FLAG_LOG` of seccomp(2).
const FLAG_LOG: u32 = 1 << 1;
/// `SECCOMP_FILTER_FLAG_SPEC_ALLOW` of seccomp(2).
const FLAG_SPEC_ALLOW: u32 = 1 << 2;

/// A profile, decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seccomp {
    /// `SECCOMP_FILTER_FLAG_*` to load the filter with.
    pub flags: u32,
    /// One table for each architecture as the kernel sees it; a caller of any other is killed (the thread).
    pub tables: Vec<SeccompTable>,
}

/// What happens to every call number of one architecture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeccompTable {
    /// `AUDIT_ARCH_*`. x32 shares x86_64's and has bit 30 of the number set.
    pub audit_arch: u32,
    /// Ascending and without gaps: the first begins at 0, each ends where the next begins, and neighbours differ.
    pub ranges: Vec<SeccompRange>,
}

/// Call numbers in a row that share an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeccompRange {
    /// The first number.
    pub first: u32,
    /// What happens to a call.
    pub outcome: SeccompOutcome,
}

/// What happens to a call: the first rule whose conditions all hold decides.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeccompOutcome {
    /// In the order in which they are tried; each has conditions.
    pub rules: Vec<SeccompRule>,
    /// When no rule holds.
    pub otherwise: SeccompAction,
}

/// One rule with conditions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeccompRule {
    /// What happens when all conditions hold.
    pub action: SeccompAction,
    /// At most one for each argument, ascending; never empty.
    pub conditions: Vec<SeccompCondition>,
}

/// A comparison of one argument with a value, unsigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeccompCondition {
    /// 0 to 5.
    pub argument: u8,
    /// Compare 64 bits, or the lower 32 of both sides only, as for callers whose registers are that wide.
    pub wide: bool,
    /// How.
    pub operator: SeccompOperator,
    /// With what.
    pub value: u64,
}

/// How an argument is compared with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SeccompOperator {
    /// Equal.
    Equal,
    /// Not equal.
    NotEqual,
    /// Less.
    Less,
    /// Less or equal.
    LessEqual,
    /// Greater.
    Greater,
    /// Greater or equal.
    GreaterEqual,
    /// Equal in the bits of the mask.
    MaskedEqual(u64),
}

/// What the kernel does with a call, seccomp(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SeccompAction {
    /// Kill the thread.
    KillThread,
    /// Kill the process.
    KillProcess,
    /// Send SIGSYS.
    Trap,
    /// Fail with this error number, at most 4095.
    Errno(u16),
    /// Ask the tracer, with this message; ENOSYS when there is none.
    Trace(u16),
    /// Let it through and log it.
    Log,
    /// Let it through.
    Allow,
}

impl SeccompAction {
    /// As a filter returns it (`SECCOMP_RET_*` with its data).
    #[must_use]
    pub const fn to_return(self) -> u32 {
        match self {
            SeccompAction::KillThread => 0,
            SeccompAction::KillProcess => 0x8000_0000,
            SeccompAction::Trap => 0x0003_0000,
            SeccompAction::Errno(number) => 0x0005_0000 | number as u32,
            SeccompAction::Trace(message) => 0x7ff0_0000 | message as u32,
            SeccompAction::Log => 0x7ffc_0000,
            SeccompAction::Allow => 0x7fff_0000,
        }
    }
}

/// Decides `linux.seccomp`. `kernel_flags` are the `SECCOMP_FILTER_FLAG_*` that the kernel has
/// (`skiff_sys::seccomp::flags`).
///
/// # Errors
/// What is not supported yet (SCMP_ACT_NOTIFY and what belongs to it), flags that the kernel lacks, and values that
/// the specification forbids; each by its field.
pub fn seccomp(spec: &LinuxSeccomp, kernel_flags: u32) -> Result<Seccomp, Error> {
    refuse_listener(spec)?;
    let flags = flags(spec, kernel_flags)?;
    let default = rules::default_action(spec)?;
    let rules = rules::rules(spec, default)?;
    let listed = spec.architectures().as_deref().unwrap_or_default();
    Ok(Seccomp { flags, tables: table::tables(&rules, default, listed)? })
}

fn refuse_listener(spec: &LinuxSeccomp) -> Result<(), Error> {
    if spec.listener_path().as_ref().is_some_and(|path| !path.as_os_str().is_empty()) {
        return Err(Error::unsupported("linux.seccomp.listenerPath"));
    }
    if spec.listener_metadata().as_ref().is_some_and(|text| !text.is_empty()) {
        return Err(Error::unsupported("linux.seccomp.listenerMetadata"));
    }
    Ok(())
}

/// A profile without `flags` gets SPEC_ALLOW where the kernel has it, as under runc: else the kernel's mitigation
/// against speculative store bypass slows the whole container down.
fn flags(spec: &LinuxSeccomp, kernel_flags: u32) -> Result<u32, Error> {
    let Some(asked) = spec.flags() else { return Ok(FLAG_SPEC_ALLOW & kernel_flags) };
    let mut flags = 0;
    for (index, flag) in asked.iter().enumerate() {
        let field = || format!("linux.seccomp.flags[{index}]");
        flags |= match flag {
            // One thread calls; there is nobody to synchronize.
            LinuxSeccompFilterFlag::SeccompFilterFlagTsync => 0,
            LinuxSeccompFilterFlag::SeccompFilterFlagLog => FLAG_LOG,
            LinuxSeccompFilterFlag::SeccompFilterFlagSpecAllow => FLAG_SPEC_ALLOW,
            LinuxSeccompFilterFlag::SeccompFilterFlagWaitKillableRecv => {
                return Err(Error::unsupported(format!("{}: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", field())));
            }
        };
        if flags & !kernel_flags != 0 {
            return Err(Error::invalid(field(), format!("the kernel has no {flag}")));
        }
    }
    Ok(flags)
}
