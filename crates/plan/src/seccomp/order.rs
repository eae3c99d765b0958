//! Which of several rules for one call is tried first. Parent side.
//!
//! The order is libseccomp's, since profiles are written against it (podman's allows `socket` for every family but
//! netlink and denies one family, in two rules that both hold for that one). libseccomp keeps the rules of a call as
//! a tree of comparisons of 32-bit words, rules with the same beginning sharing a path, and tries each level in order:
//! later arguments before earlier ones and the upper half of one before its lower; then equality (masked, and
//! inequality) before less before greater; then the larger value, for less the smaller one; then as in the profile.

use std::cmp::Ordering;

use super::{SeccompAction, SeccompCondition, SeccompOperator, SeccompOutcome, SeccompRule};

/// The rules of one call so far.
#[derive(Debug, Default)]
pub(super) struct Ordered {
    always: Option<SeccompAction>,
    tree: Vec<Node>,
}

/// Two rules ask for the same and say different things.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Contradiction;

impl Ordered {
    /// Adds a rule; `conditions` ascend by argument.
    pub(super) fn add(&mut self, action: SeccompAction, mut conditions: Vec<SeccompCondition>) -> Result<(), Contradiction> {
        conditions.retain(|condition| !always_holds(condition));
        if self.always.is_some() {
            return Ok(());
        }
        if conditions.is_empty() {
            self.tree.clear();
            self.always = Some(action);
            return Ok(());
        }
        let path: Vec<Step> = conditions.iter().flat_map(steps).collect();
        insert(&mut self.tree, &path, SeccompRule { action, conditions })
    }

    /// What happens to the call, `default` when no rule holds.
    pub(super) fn outcome(self, default: SeccompAction) -> SeccompOutcome {
        let mut rules = Vec::new();
        collect(self.tree, &mut rules);
        SeccompOutcome { rules, otherwise: self.always.unwrap_or(default) }
    }
}

/// A mask without bits compares nothing.
fn always_holds(condition: &SeccompCondition) -> bool {
    match condition.operator {
        SeccompOperator::MaskedEqual(mask) if condition.wide => mask == 0,
        SeccompOperator::MaskedEqual(mask) => mask as u32 == 0,
        _ => false,
    }
}

/// The comparison of one word, as a place in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step {
    /// Twice the argument, and one more for its upper half.
    word: u8,
    /// Larger is tried first.
    rank: u8,
    comparison: Comparison,
    value: u32,
    mask: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Masked,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

const EQUALITY: u8 = 3;
const LESS: u8 = 2;
const GREATER: u8 = 1;

impl Step {
    /// Whether `self` is tried only after `other`.
    fn follows(&self, other: &Step) -> bool {
        match (self.word, self.rank).cmp(&(other.word, other.rank)) {
            Ordering::Equal if self.rank == LESS => self.value > other.value,
            Ordering::Equal => self.value < other.value,
            order => order == Ordering::Less,
        }
    }
}

/// The words that a condition compares, the upper half first.
fn steps(condition: &SeccompCondition) -> Vec<Step> {
    let (comparison, rank, mask) = match condition.operator {
        SeccompOperator::Equal => (Comparison::Equal, EQUALITY, u64::MAX),
        SeccompOperator::NotEqual => (Comparison::NotEqual, EQUALITY, u64::MAX),
        SeccompOperator::MaskedEqual(mask) => (Comparison::Masked, EQUALITY, mask),
        SeccompOperator::Less => (Comparison::Less, LESS, u64::MAX),
        SeccompOperator::LessEqual => (Comparison::LessEqual, LESS, u64::MAX),
        SeccompOperator::Greater => (Comparison::Greater, GREATER, u64::MAX),
        SeccompOperator::GreaterEqual => (Comparison::GreaterEqual, GREATER, u64::MAX),
    };
    let value = condition.value & mask;
    let word = condition.argument * 2;
    let lower = Step { word, rank, comparison, value: value as u32, mask: mask as u32 };
    if !condition.wide {
        return vec![lower];
    }
    // The upper half is compared alike for some that differ in the lower, and these go one path.
    let comparison = match comparison {
        Comparison::NotEqual => Comparison::Equal,
        Comparison::LessEqual => Comparison::Less,
        Comparison::GreaterEqual => Comparison::Greater,
        other => other,
    };
    let (value, mask) = ((value >> 32) as u32, (mask >> 32) as u32);
    vec![Step { word: word + 1, comparison, value, mask, ..lower }, lower]
}

/// A comparison that several rules may share, and what follows when it holds: a rule's end, or more comparisons.
#[derive(Debug)]
struct Node {
    step: Step,
    end: Option<SeccompRule>,
    next: Vec<Node>,
}

fn insert(level: &mut Vec<Node>, path: &[Step], rule: SeccompRule) -> Result<(), Contradiction> {
    let Some((step, rest)) = path.split_first() else { return Ok(()) };
    if let Some(node) = level.iter_mut().find(|node| node.step == *step) {
        return node.add(rest, rule);
    }
    let mut node = Node { step: *step, end: None, next: Vec::new() };
    node.add(rest, rule)?;
    let at = level.iter().position(|other| other.step.follows(step)).unwrap_or(level.len());
    level.insert(at, node);
    Ok(())
}

impl Node {
    /// A rule that asks for less than another covers it. One that comes later and has another action is refused, as by
    /// libseccomp.
    fn add(&mut self, rest: &[Step], rule: SeccompRule) -> Result<(), Contradiction> {
        if let Some(end) = &self.end {
            let differs = rest.is_empty() && end.action != rule.action;
            return if differs { Err(Contradiction) } else { Ok(()) };
        }
        if !rest.is_empty() {
            return insert(&mut self.next, rest, rule);
        }
        if !all(&self.next, rule.action) {
            return Err(Contradiction);
        }
        self.next.clear();
        self.end = Some(rule);
        Ok(())
    }
}

fn all(level: &[Node], action: SeccompAction) -> bool {
    level.iter().all(|node| node.end.as_ref().is_none_or(|end| end.action == action) && all(&node.next, action))
}

fn collect(level: Vec<Node>, rules: &mut Vec<SeccompRule>) {
    for node in level {
        rules.extend(node.end);
        collect(node.next, rules);
    }
}
