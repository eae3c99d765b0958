//! From a decided profile to the program that the kernel runs. Parent side.
//!
//! The kernel walks the program once for each call number at load, and again for every call that is not always
//! allowed, so the way through it must be short: a choice by architecture, a binary search over the ranges, and only
//! behind that the comparisons of arguments, which are seccompiler's.

use std::collections::BTreeMap;

use seccompiler::{BpfProgram, SeccompCmpArgLen, SeccompCmpOp};
use skiff_sys::seccomp::SockFilter;

use super::assembler::{Assembler, Target};
use super::{Seccomp, SeccompAction, SeccompCondition, SeccompOperator, SeccompOutcome, SeccompRange, SeccompRule, SeccompTable};
use crate::Error;

/// `BPF_MAXINSNS`.
const MOST: usize = 4096;

// Offsets in struct seccomp_data, seccomp(2).
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;

impl Seccomp {
    /// The program that judges calls as decided.
    ///
    /// # Errors
    /// When it needs more instructions than the kernel takes (4096).
    pub fn compile(&self) -> Result<Vec<SockFilter>, Error> {
        let mut code = Assembler::default();
        let mut sections = Vec::with_capacity(self.tables.len());
        for table in self.tables.iter().rev() {
            sections.push((table.audit_arch, section(&mut code, table)?));
        }
        // The native architecture was written last and is asked for first.
        let mut next = Target::Return(SeccompAction::KillThread.to_return());
        for (audit_arch, section) in sections {
            next = code.if_equal(audit_arch, section, next);
        }
        code.load(ARCHITECTURE, next);
        let program = code.finish();
        if program.len() > MOST {
            let why = format!("the filter has {} instructions, the kernel takes {MOST}", program.len());
            return Err(Error::invalid("linux.seccomp.syscalls", why));
        }
        Ok(program)
    }
}

/// The search through one architecture's numbers, behind it the rules with conditions.
fn section(code: &mut Assembler, table: &SeccompTable) -> Result<Target, Error> {
    let mut chains = BTreeMap::new();
    for range in table.ranges.iter().filter(|range| !range.outcome.rules.is_empty()) {
        if !chains.contains_key(&range.outcome) {
            chains.insert(&range.outcome, chain(code, &range.outcome)?);
        }
    }
    let target = |outcome: &SeccompOutcome| chains.get(outcome).copied().unwrap_or(Target::Return(outcome.otherwise.to_return()));
    Ok(match table.ranges.as_slice() {
        [only] if only.outcome.rules.is_empty() => target(&only.outcome),
        ranges => {
            let found = search(code, ranges, &target);
            code.load(NUMBER, found)
        }
    })
}

/// Finds the range of the number that was loaded.
fn search(code: &mut Assembler, ranges: &[SeccompRange], target: &dyn Fn(&SeccompOutcome) -> Target) -> Target {
    match ranges {
        [] => Target::Return(SeccompAction::KillThread.to_return()),
        [only] => target(&only.outcome),
        // One number that differs from those around it.
        [before, one, after] if before.outcome == after.outcome && one.first.checked_add(1) == Some(after.first) => {
            code.if_equal(one.first, target(&one.outcome), target(&after.outcome))
        }
        _ => {
            let (lower, upper) = ranges.split_at(ranges.len() / 2);
            let first = upper.first().map_or(0, |range| range.first);
            let upper = search(code, upper, target);
            let lower = search(code, lower, target);
            code.if_at_least(first, upper, lower)
        }
    }
}

/// The rules of an outcome, one behind the other, and what happens when none holds.
fn chain(code: &mut Assembler, outcome: &SeccompOutcome) -> Result<Target, Error> {
    let mut start = code.put_return(outcome.otherwise.to_return());
    for rule in outcome.rules.iter().rev() {
        code.put_return(rule.action.to_return());
        // It goes on behind its end when all conditions hold, and one further when not: to the next rule.
        for instruction in test(rule)?.into_iter().skip(ENTRY).rev() {
            start = code.put(SockFilter { code: instruction.code, jt: instruction.jt, jf: instruction.jf, k: instruction.k });
        }
    }
    Ok(Target::At(start))
}

/// A rule of seccompiler's begins with two jumps, into it and past it, for its own way of chaining rules. The second points
/// behind what there is here, and the kernel takes no program with such a jump, reached or not.
const ENTRY: usize = 2;

fn test(rule: &SeccompRule) -> Result<BpfProgram, Error> {
    let conditions = rule.conditions.iter().map(condition).collect::<Result<_, _>>();
    let rule = conditions.and_then(seccompiler::SeccompRule::new);
    Ok(rule.map_err(|error| Error::invalid("linux.seccomp.syscalls", error.to_string()))?.into())
}

fn condition(condition: &SeccompCondition) -> Result<seccompiler::SeccompCondition, seccompiler::BackendError> {
    let width = if condition.wide { SeccompCmpArgLen::Qword } else { SeccompCmpArgLen::Dword };
    let operator = match condition.operator {
        SeccompOperator::Equal => SeccompCmpOp::Eq,
        SeccompOperator::NotEqual => SeccompCmpOp::Ne,
        SeccompOperator::Less => SeccompCmpOp::Lt,
        SeccompOperator::LessEqual => SeccompCmpOp::Le,
        SeccompOperator::Greater => SeccompCmpOp::Gt,
        SeccompOperator::GreaterEqual => SeccompCmpOp::Ge,
        SeccompOperator::MaskedEqual(mask) => SeccompCmpOp::MaskedEq(mask),
    };
    seccompiler::SeccompCondition::new(condition.argument, width, operator, condition.value)
}
