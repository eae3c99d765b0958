//! The device rules as systemd can be told them. Parent side, pure.
//!
//! systemd knows a list of what is allowed, no exceptions from it, and no minor number without a major. On version 2
//! the list here allows all that the rules allow, perhaps more: crates/cgroup's own filter stands beside it, and the
//! kernel grants only what both grant. On version 1 there is one list, which crates/cgroup replaces, and which systemd
//! writes again whenever it is reloaded: there it may be less.

use super::property;
use crate::{DeviceKind, DeviceRule, Error, UnitProperty, Variant};
use std::collections::BTreeMap;

const READ: u8 = 1;
const WRITE: u8 = 2;
const MKNOD: u8 = 4;
const ALL: u8 = READ | WRITE | MKNOD;

/// Kind, major, minor; `None` is any.
type Key = (&'static str, Option<u32>, Option<u32>);

/// `DevicePolicy` and `DeviceAllow`. `update`: the unit has a list already, which is emptied first.
///
/// # Errors
/// On version 1 everything but some: nobody could keep it, since systemd would forget the exceptions and the kernel not tell
/// them.
pub(in crate::resources) fn properties(rules: &[DeviceRule], v1: bool, update: bool) -> Result<Vec<UnitProperty>, Error> {
    if v1 && excepted(rules) {
        let why = "everything is allowed, but for some: systemd can keep no such list on cgroup version 1";
        return Err(Error::invalid("linux.resources.devices", why.to_owned()));
    }
    let allowed = allowed(rules, !v1);
    let policy = if allowed.is_some() { "strict" } else { "auto" };
    let entry = |(path, letters)| Variant::Struct(vec![Variant::Text(path), Variant::Text(letters)]);
    let list = |entries| property("DeviceAllow", Variant::Array("(ss)".to_owned(), entries));
    let entries: Vec<Variant> = allowed.unwrap_or_default().into_iter().map(entry).collect();
    let mut properties = vec![property("DevicePolicy", Variant::Text(policy.to_owned()))];
    if update {
        properties.push(list(Vec::new()));
    }
    if !entries.is_empty() {
        properties.push(list(entries));
    }
    Ok(properties)
}

fn everything(rule: &DeviceRule) -> bool {
    rule.kind == DeviceKind::All && rule.major.is_none() && rule.minor.is_none() && access(rule) == ALL
}

/// All is allowed, and later something is denied.
fn excepted(rules: &[DeviceRule]) -> bool {
    let last = rules.iter().rposition(everything).and_then(|at| rules.get(at..)).unwrap_or_default();
    last.first().is_some_and(|rule| rule.allow) && last.iter().any(|rule| !rule.allow)
}

/// Path and letters of each entry; `None`: everything is allowed, but for what the filter denies.
fn allowed(rules: &[DeviceRule], widen: bool) -> Option<Vec<(String, String)>> {
    let mut entries: Option<BTreeMap<Key, u8>> = Some(BTreeMap::new());
    for rule in rules {
        match &mut entries {
            _ if everything(rule) => entries = (!rule.allow).then(BTreeMap::new),
            Some(entries) => keys(rule, widen).for_each(|key| apply(entries, key, rule)),
            None => {}
        }
    }
    let entries = entries?.into_iter().filter(|(_, access)| *access != 0);
    Some(entries.map(|((kind, major, minor), access)| (path(kind, major, minor), letters(access))).collect())
}

fn apply(entries: &mut BTreeMap<Key, u8>, key: Key, rule: &DeviceRule) {
    if rule.allow {
        *entries.entry(key).or_default() |= access(rule);
    } else if let Some(held) = entries.get_mut(&key) {
        *held &= !access(rule);
    }
}

/// systemd cannot name a minor number of any major: all devices of the kind stand for it, or none.
fn keys(rule: &DeviceRule, widen: bool) -> impl Iterator<Item = Key> {
    let kinds: &[&'static str] = match rule.kind {
        DeviceKind::All => &["block", "char"],
        DeviceKind::Block => &["block"],
        DeviceKind::Char => &["char"],
    };
    // Widening is for what is allowed; nothing is taken away for a device that has no entry of its own.
    let whole = rule.major.is_none() && rule.minor.is_some();
    let (major, minor) = (rule.major, rule.minor.filter(|_| !whole));
    let kinds = if whole && !(rule.allow && widen) { &[] } else { kinds };
    kinds.iter().map(move |kind| (*kind, major, minor))
}

fn path(kind: &str, major: Option<u32>, minor: Option<u32>) -> String {
    match (major, minor) {
        (Some(major), Some(minor)) => format!("/dev/{kind}/{major}:{minor}"),
        (Some(major), None) => format!("{kind}-{major}"),
        (None, _) => format!("{kind}-*"),
    }
}

fn access(rule: &DeviceRule) -> u8 {
    let bit = |set, bit| if set { bit } else { 0 };
    bit(rule.read, READ) | bit(rule.write, WRITE) | bit(rule.mknod, MKNOD)
}

fn letters(access: u8) -> String {
    let letters = [(READ, 'r'), (WRITE, 'w'), (MKNOD, 'm')];
    letters.iter().filter(|(bit, _)| access & bit != 0).map(|(_, letter)| letter).collect()
}
