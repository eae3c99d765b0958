//! The rules of a profile, read and checked, still by name: one entry for each rule that can hold. Parent side.

use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompOperator, LinuxSyscall};

use super::{SeccompAction, SeccompCondition, SeccompOperator};
use crate::Error;

/// The actions that a profile may name, sorted (for `features`).
pub const SECCOMP_ACTIONS: &[&str] = &[
    "SCMP_ACT_ALLOW",
    "SCMP_ACT_ERRNO",
    "SCMP_ACT_KILL",
    "SCMP_ACT_KILL_PROCESS",
    "SCMP_ACT_KILL_THREAD",
    "SCMP_ACT_LOG",
    "SCMP_ACT_TRACE",
    "SCMP_ACT_TRAP",
];

/// The kernel cuts a filter's error number off here (`MAX_ERRNO`).
const MAX_ERRNO: u32 = 4095;

/// One entry of `syscalls`, with its conditions as alternatives.
pub(super) struct Rule<'a> {
    /// Its place in config.json, for messages.
    pub(super) index: usize,
    pub(super) names: &'a [String],
    /// `None`: it does what the default does. Its names still count as known to the profile.
    pub(super) action: Option<SeccompAction>,
    /// One of these must hold, and in it all conditions; an empty one always holds.
    pub(super) alternatives: Vec<Vec<SeccompCondition>>,
}

/// `defaultAction` with `defaultErrnoRet`.
pub(super) fn default_action(spec: &LinuxSeccomp) -> Result<SeccompAction, Error> {
    if spec.default_action() == LinuxSeccompAction::ScmpActNotify {
        return Err(Error::invalid("linux.seccomp.defaultAction", "SCMP_ACT_NOTIFY cannot be the default"));
    }
    action(spec.default_action(), spec.default_errno_ret(), "linux.seccomp.defaultAction", "linux.seccomp.defaultErrnoRet")
}

/// `syscalls`, in their order.
pub(super) fn rules(spec: &LinuxSeccomp, default: SeccompAction) -> Result<Vec<Rule<'_>>, Error> {
    let entries = spec.syscalls().as_deref().unwrap_or_default();
    entries.iter().enumerate().map(|(index, entry)| rule(index, entry, default)).collect()
}

fn rule(index: usize, entry: &LinuxSyscall, default: SeccompAction) -> Result<Rule<'_>, Error> {
    let field = format!("linux.seccomp.syscalls[{index}]");
    let action = action(entry.action(), entry.errno_ret(), &format!("{field}.action"), &format!("{field}.errnoRet"))?;
    let conditions: Vec<SeccompCondition> =
        entry.args().iter().flatten().enumerate().map(|(at, arg)| condition(arg, &field, at)).collect::<Result<_, _>>()?;
    let action = (action != default).then_some(action);
    Ok(Rule { index, names: entry.names(), action, alternatives: alternatives(conditions) })
}

/// libseccomp takes one condition on an argument. For a rule with more runc makes each of its conditions a rule of its
/// own, also those on other arguments, so that any of them is enough; profiles count on that.
fn alternatives(mut conditions: Vec<SeccompCondition>) -> Vec<Vec<SeccompCondition>> {
    let on = |argument| conditions.iter().filter(|condition| condition.argument == argument).count();
    if (0..6).any(|argument| on(argument) > 1) {
        return conditions.into_iter().map(|condition| vec![condition]).collect();
    }
    conditions.sort_by_key(|condition| condition.argument);
    vec![conditions]
}

fn action(kind: LinuxSeccompAction, data: Option<u32>, field: &str, data_field: &str) -> Result<SeccompAction, Error> {
    let action = match kind {
        LinuxSeccompAction::ScmpActKill | LinuxSeccompAction::ScmpActKillThread => SeccompAction::KillThread,
        LinuxSeccompAction::ScmpActKillProcess => SeccompAction::KillProcess,
        LinuxSeccompAction::ScmpActTrap => SeccompAction::Trap,
        LinuxSeccompAction::ScmpActErrno => return Ok(SeccompAction::Errno(limited(data, MAX_ERRNO, data_field)?)),
        LinuxSeccompAction::ScmpActTrace => return Ok(SeccompAction::Trace(limited(data, u16::MAX.into(), data_field)?)),
        LinuxSeccompAction::ScmpActLog => SeccompAction::Log,
        LinuxSeccompAction::ScmpActAllow => SeccompAction::Allow,
        LinuxSeccompAction::ScmpActNotify => return Err(Error::unsupported(format!("{field}: SCMP_ACT_NOTIFY"))),
    };
    match data {
        // runtime-spec, config-linux.md, "Seccomp": an action that takes no errno must be refused with one.
        Some(_) => Err(Error::invalid(data_field, format!("{kind} takes none"))),
        None => Ok(action),
    }
}

/// The number that goes with the action, EPERM unless given.
fn limited(data: Option<u32>, most: u32, field: &str) -> Result<u16, Error> {
    let data = data.unwrap_or(libc::EPERM as u32);
    match u16::try_from(data) {
        Ok(small) if data <= most => Ok(small),
        _ => Err(Error::invalid(field, format!("{data} is above {most}"))),
    }
}

/// `args[at]` of the rule `field`. With SCMP_CMP_MASKED_EQ `value` is the mask and `valueTwo` the value.
fn condition(arg: &LinuxSeccompArg, field: &str, at: usize) -> Result<SeccompCondition, Error> {
    let Some(argument) = u8::try_from(arg.index()).ok().filter(|&argument| argument < 6) else {
        let why = format!("{}: a system call has arguments 0 to 5", arg.index());
        return Err(Error::invalid(format!("{field}.args[{at}].index"), why));
    };
    let value = arg.value();
    let operator = match arg.op() {
        LinuxSeccompOperator::ScmpCmpEq => SeccompOperator::Equal,
        LinuxSeccompOperator::ScmpCmpNe => SeccompOperator::NotEqual,
        LinuxSeccompOperator::ScmpCmpLt => SeccompOperator::Less,
        LinuxSeccompOperator::ScmpCmpLe => SeccompOperator::LessEqual,
        LinuxSeccompOperator::ScmpCmpGt => SeccompOperator::Greater,
        LinuxSeccompOperator::ScmpCmpGe => SeccompOperator::GreaterEqual,
        LinuxSeccompOperator::ScmpCmpMaskedEq => {
            let operator = SeccompOperator::MaskedEqual(value);
            return Ok(SeccompCondition { argument, wide: true, operator, value: arg.value_two().unwrap_or(0) });
        }
    };
    Ok(SeccompCondition { argument, wide: true, operator, value })
}
