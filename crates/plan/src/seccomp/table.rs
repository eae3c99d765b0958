//! From rules by name to a table for each architecture, in which every number has its outcome. Parent side.

use oci_spec::runtime::Arch;

use super::abi::{Abi, Call, X32_BIT};
use super::order::{Contradiction, Ordered};
use super::rules::Rule;
use super::{SeccompAction, SeccompCondition, SeccompOperator, SeccompOutcome, SeccompRange, SeccompTable};
use crate::Error;

const ENOSYS: SeccompAction = SeccompAction::Errno(libc::ENOSYS as u16);

/// The last number before x32's bit, the last with it, and the last before both it and the sign.
const LAST_X86_64: u32 = X32_BIT - 1;
const LAST_X32: u32 = 2 * X32_BIT - 1;
const LAST_NEGATIVE_X86_64: u32 = 3 * X32_BIT - 1;

/// The tables of the host's architectures that the profile judges.
pub(super) fn tables(rules: &[Rule<'_>], default: SeccompAction, listed: &[Arch]) -> Result<Vec<SeccompTable>, Error> {
    tables_on(Abi::NATIVE, rules, default, listed)
}

/// The same for a host of another kind, for tests.
pub(super) fn tables_on(
    native: Abi,
    rules: &[Rule<'_>],
    default: SeccompAction,
    listed: &[Arch],
) -> Result<Vec<SeccompTable>, Error> {
    let listed: Vec<Abi> = listed.iter().filter_map(|&arch| Abi::of(arch, native)).collect();
    let judged = |abi: Abi| Judged::new(abi, rules, default, listed.contains(&abi));
    let first = judged(native)?;
    let mut tables = Vec::with_capacity(2);
    if native == Abi::X86_64 {
        let x32 = listed.contains(&Abi::X32).then(|| judged(Abi::X32)).transpose()?;
        tables.push(SeccompTable { audit_arch: native.audit_arch(), ranges: x86_64(first, x32) });
    } else {
        tables.push(SeccompTable { audit_arch: native.audit_arch(), ranges: first.alone() });
    }
    for compat in [Abi::X86, Abi::Arm].into_iter().filter(|abi| listed.contains(abi)) {
        tables.push(SeccompTable { audit_arch: compat.audit_arch(), ranges: judged(compat)?.alone() });
    }
    Ok(tables)
}

/// One ABI's calls.
struct Judged {
    /// The outcomes of the calls for which the profile has a rule, by number.
    calls: Vec<(u32, SeccompOutcome)>,
    /// Calls above this number get ENOSYS, even those that have a rule.
    newest: Option<u32>,
    default: SeccompAction,
}

/// One way of one rule to hold for one call.
struct Entry<'a> {
    number: u32,
    conditions: Vec<SeccompCondition>,
    action: SeccompAction,
    rule: &'a Rule<'a>,
    name: &'a str,
}

impl Judged {
    fn new(abi: Abi, rules: &[Rule<'_>], default: SeccompAction, listed: bool) -> Result<Judged, Error> {
        let mut entries = Vec::new();
        let mut newest = 0;
        for rule in rules {
            for (name, call) in rule.names.iter().filter_map(|name| Some((name, abi.call(name)?))) {
                if call.within.is_none() {
                    newest = newest.max(call.number.unwrap_or(0));
                }
                add(&mut entries, abi, call, name, rule);
            }
        }
        // A stable sort: the order of the profile is kept within a call.
        entries.sort_by_key(|entry| entry.number);
        // runc's rule (its `patchbpf`): it asks for the highest number that the profile names, other than 0, of a call
        // that is not made through another, on the architectures that the profile lists.
        let lets_through = matches!(default, SeccompAction::Allow | SeccompAction::Log | SeccompAction::Trace(_));
        let newest = (listed && !lets_through && newest != 0).then_some(newest);
        Ok(Judged { calls: outcomes(entries, default)?, newest, default })
    }
}

fn add<'a>(entries: &mut Vec<Entry<'a>>, abi: Abi, call: Call, name: &'a str, rule: &'a Rule<'a>) {
    let Some(action) = rule.action else { return };
    for conditions in &rule.alternatives {
        let as_wide = |condition: &SeccompCondition| SeccompCondition { wide: abi.wide(), ..*condition };
        let conditions: Vec<SeccompCondition> = conditions.iter().map(as_wide).collect();
        if let Some((number, code)) = call.within {
            entries.push(Entry { number, conditions: within(code, &conditions), action, rule, name });
        }
        if let Some(number) = call.number {
            entries.push(Entry { number, conditions, action, rule, name });
        }
    }
}

/// `entries` are sorted by number.
fn outcomes(entries: Vec<Entry<'_>>, default: SeccompAction) -> Result<Vec<(u32, SeccompOutcome)>, Error> {
    let mut calls: Vec<(u32, Ordered)> = Vec::new();
    for Entry { number, conditions, action, rule, name } in entries {
        if calls.last().is_none_or(|(last, _)| *last != number) {
            calls.push((number, Ordered::default()));
        }
        if let Some((_, rules)) = calls.last_mut() {
            rules.add(action, conditions).map_err(|Contradiction| contradiction(rule.index, name))?;
        }
    }
    Ok(calls.into_iter().map(|(number, rules)| (number, rules.outcome(default))).collect())
}

fn contradiction(index: usize, name: &str) -> Error {
    let why = format!("{name}: an earlier rule with the same conditions has another action");
    Error::invalid(format!("linux.seccomp.syscalls[{index}]"), why)
}

/// The conditions of a call that is made through socketcall or ipc: the first argument says which call it is. The
/// others are kept where they stand, as libseccomp does, although they mean other things there.
fn within(code: u64, conditions: &[SeccompCondition]) -> Vec<SeccompCondition> {
    let which = SeccompCondition { argument: 0, wide: false, operator: SeccompOperator::Equal, value: code };
    let others = conditions.iter().filter(|condition| condition.argument != 0).copied();
    std::iter::once(which).chain(others).collect()
}

impl Judged {
    /// The table of an ABI that shares its architecture with no other.
    fn alone(self) -> Vec<SeccompRange> {
        let mut ranges = Vec::new();
        self.lay(&mut ranges, 0);
        ranges
    }

    /// What a number gets that is above all of the ABI's calls.
    fn beyond(&self) -> SeccompAction {
        if self.newest.is_some() { ENOSYS } else { self.default }
    }

    /// Appends the numbers from `from` on.
    fn lay(self, ranges: &mut Vec<SeccompRange>, from: u32) {
        let beyond = self.beyond();
        let mut next = from;
        let known = self.newest.unwrap_or(u32::MAX);
        for (number, outcome) in self.calls.into_iter().take_while(|&(number, _)| number <= known) {
            if next < number {
                push(ranges, next, plain(self.default));
            }
            push(ranges, number, outcome);
            next = number + 1;
        }
        match self.newest {
            Some(newest) if next <= newest => {
                push(ranges, next, plain(self.default));
                push(ranges, newest + 1, plain(beyond));
            }
            _ => push(ranges, next, plain(beyond)),
        }
    }
}

/// x86_64 and x32 callers show the same architecture; bit 30 of the number tells them apart. Without x32 its calls are
/// a foreign architecture's, all but -1, with which a tracer skips a call. runc's test for new calls comes first and
/// does not look at the sign.
fn x86_64(native: Judged, x32: Option<Judged>) -> Vec<SeccompRange> {
    let mut ranges = Vec::new();
    let default = native.default;
    let foreign = SeccompAction::KillThread;
    let negative = match (native.newest, &x32) {
        (Some(_), _) => ENOSYS,
        (None, Some(_)) => default,
        (None, None) => foreign,
    };
    let (negative_x32, skipped) = x32.as_ref().map_or((foreign, default), |x32| (x32.beyond(), x32.beyond()));
    native.lay(&mut ranges, 0);
    match x32 {
        Some(x32) => x32.lay(&mut ranges, LAST_X86_64 + 1),
        None => push(&mut ranges, LAST_X86_64 + 1, plain(foreign)),
    }
    push(&mut ranges, LAST_X32 + 1, plain(negative));
    push(&mut ranges, LAST_NEGATIVE_X86_64 + 1, plain(negative_x32));
    push(&mut ranges, u32::MAX, plain(skipped));
    ranges
}

fn plain(action: SeccompAction) -> SeccompOutcome {
    SeccompOutcome { rules: Vec::new(), otherwise: action }
}

/// Appends a range, unless the last one has the same outcome.
fn push(ranges: &mut Vec<SeccompRange>, first: u32, outcome: SeccompOutcome) {
    if ranges.last().is_none_or(|last| last.outcome != outcome) {
        ranges.push(SeccompRange { first, outcome });
    }
}
