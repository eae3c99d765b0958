//! The device rules as lines for `devices.allow` and `devices.deny` (security/device_cgroup.c).
//!
//! A version 1 cgroup knows a default and exceptions from it. It forgets silently to take a rule out of a wider
//! exception, or to take a wide rule out of narrow ones. So the exceptions are worked out here, as runc does, and what
//! the kernel cannot express is refused.

use crate::Error;
use skiff_plan::{DeviceKind, DeviceRule};
use std::collections::BTreeMap;

/// A write: into `devices.allow` or `devices.deny`, and the line.
pub(crate) type Line = (&'static str, String);

/// Kind (`b` or `c`), major, minor; `None` is any.
type Key = (char, Option<u32>, Option<u32>);

const READ: u8 = 1;
const WRITE: u8 = 2;
const MKNOD: u8 = 4;
const ALL: u8 = READ | WRITE | MKNOD;

/// What a version 1 cgroup can hold.
struct Rules {
    allow_by_default: bool,
    /// Accesses for which the default does not hold.
    exceptions: BTreeMap<Key, u8>,
}

/// The lines for a cgroup in whatever state, in order.
///
/// # Errors
/// A rule that would cut a hole into a wider one.
pub(crate) fn lines(rules: &[DeviceRule]) -> Result<Vec<Line>, Error> {
    Rules::of(rules).map(|rules| rules.lines())
}

/// The lines that turn a cgroup with `held`, the text of its `devices.list`, into one with `rules`: first what is to be allowed,
/// then what is no more. Where the default changes, everything is written anew.
///
/// # Errors
/// As [`lines`].
pub(crate) fn changes(held: &str, rules: &[DeviceRule]) -> Result<Vec<Line>, Error> {
    Rules::of(rules).map(|wanted| wanted.instead_of(held))
}

/// The lines that turn a cgroup with `held` back into one that had `before`. Of one that allows everything the kernel does not
/// tell the exceptions: there is no way back to these, and no line.
pub(crate) fn back(held: &str, before: &str) -> Vec<Line> {
    let before = parse(before).map(|exceptions| Rules { allow_by_default: false, exceptions });
    before.map(|rules| rules.instead_of(held)).unwrap_or_default()
}

/// The exceptions in the text of `devices.list`; `None`: everything is allowed, or it cannot be understood.
fn parse(list: &str) -> Option<BTreeMap<Key, u8>> {
    list.lines().map(exception).collect()
}

fn exception(line: &str) -> Option<(Key, u8)> {
    let mut fields = line.split([' ', ':']);
    let kind = fields.next().filter(|kind| ["b", "c"].contains(kind))?.chars().next()?;
    let mut number = || fields.next().and_then(|text| if text == "*" { Some(None) } else { text.parse().ok().map(Some) });
    let key = (kind, number()?, number()?);
    let bit = |letter| [('r', READ), ('w', WRITE), ('m', MKNOD)].iter().find(|(known, _)| *known == letter).map(|(_, bit)| *bit);
    let access = fields.next()?.chars().try_fold(0, |access, letter| Some(access | bit(letter)?))?;
    Some((key, access))
}

impl Rules {
    fn of(rules: &[DeviceRule]) -> Result<Rules, Error> {
        let mut state = Rules { allow_by_default: false, exceptions: BTreeMap::new() };
        rules.iter().try_for_each(|rule| state.apply(rule))?;
        Ok(state)
    }

    fn instead_of(&self, held: &str) -> Vec<Line> {
        let Some(held) = parse(held).filter(|_| !self.allow_by_default) else { return self.lines() };
        let missing = |from: &BTreeMap<Key, u8>, file, to: &BTreeMap<Key, u8>| -> Vec<Line> {
            let left = to.iter().map(|(key, access)| (key, access & !from.get(key).unwrap_or(&0)));
            left.filter(|(_, access)| *access != 0).map(|(key, access)| (file, text(key, access))).collect()
        };
        let mut lines = missing(&held, "devices.allow", &self.exceptions);
        lines.extend(missing(&self.exceptions, "devices.deny", &held));
        lines
    }

    fn lines(&self) -> Vec<Line> {
        let (default, other) =
            if self.allow_by_default { ("devices.allow", "devices.deny") } else { ("devices.deny", "devices.allow") };
        let mut lines = vec![(default, "a".to_owned())];
        lines.extend(self.exceptions.iter().map(|(key, access)| (other, text(key, *access))));
        lines
    }

    fn apply(&mut self, rule: &DeviceRule) -> Result<(), Error> {
        let access = access(rule);
        if rule.kind == DeviceKind::All && rule.major.is_none() && rule.minor.is_none() && access == ALL {
            self.allow_by_default = rule.allow;
            self.exceptions.clear();
            return Ok(());
        }
        let kinds: &[char] = match rule.kind {
            DeviceKind::All => &['b', 'c'],
            DeviceKind::Block => &['b'],
            DeviceKind::Char => &['c'],
        };
        for kind in kinds {
            let key = (*kind, rule.major, rule.minor);
            if rule.allow == self.allow_by_default {
                self.take_out(&key, access)?;
            } else {
                *self.exceptions.entry(key).or_default() |= access;
            }
        }
        Ok(())
    }

    /// Back to the default for what `key` covers.
    fn take_out(&mut self, key: &Key, access: u8) -> Result<(), Error> {
        for (exception, held) in &mut self.exceptions {
            if covers(key, exception) {
                *held &= !access;
            } else if overlaps(key, exception) && *held & access != 0 {
                return Err(Error::DeviceRule { rule: text(key, access), earlier: text(exception, *held) });
            }
        }
        self.exceptions.retain(|_, held| *held != 0);
        Ok(())
    }
}

/// Every device of `narrow` is one of `wide`.
fn covers(wide: &Key, narrow: &Key) -> bool {
    let part = |wide: Option<u32>, narrow: Option<u32>| wide.is_none() || wide == narrow;
    wide.0 == narrow.0 && part(wide.1, narrow.1) && part(wide.2, narrow.2)
}

/// Some device is one of both.
fn overlaps(one: &Key, other: &Key) -> bool {
    let part = |one: Option<u32>, other: Option<u32>| one.is_none() || other.is_none() || one == other;
    one.0 == other.0 && part(one.1, other.1) && part(one.2, other.2)
}

fn access(rule: &DeviceRule) -> u8 {
    let bit = |set, bit| if set { bit } else { 0 };
    bit(rule.read, READ) | bit(rule.write, WRITE) | bit(rule.mknod, MKNOD)
}

fn text((kind, major, minor): &Key, access: u8) -> String {
    let number = |number: &Option<u32>| number.map_or_else(|| "*".to_owned(), |number| number.to_string());
    let letters = [(READ, 'r'), (WRITE, 'w'), (MKNOD, 'm')];
    let letters: String = letters.iter().filter(|(bit, _)| access & bit != 0).map(|(_, letter)| letter).collect();
    format!("{kind} {}:{} {letters}", number(major), number(minor))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::device_bpf::tests::{Random, Request, reference, requests};

    fn rule(allow: bool, kind: DeviceKind, major: Option<u32>, minor: Option<u32>, access: &str) -> DeviceRule {
        let has = |letter| access.contains(letter);
        DeviceRule { allow, kind, major, minor, read: has('r'), write: has('w'), mknod: has('m') }
    }

    fn line(file: &'static str, text: &str) -> Line {
        (file, text.to_owned())
    }

    #[test]
    fn deny_all_and_some_allowed() {
        let rules = [
            rule(false, DeviceKind::All, None, None, "rwm"),
            rule(true, DeviceKind::Char, None, None, "m"),
            rule(true, DeviceKind::Char, Some(1), Some(3), "rw"),
            // Docker takes /dev/fuse away that was never given.
            rule(false, DeviceKind::Char, Some(10), Some(229), "rw"),
        ];
        let expected = [line("devices.deny", "a"), line("devices.allow", "c *:* m"), line("devices.allow", "c 1:3 rw")];
        assert_eq!(lines(&rules).unwrap(), expected);
    }

    #[test]
    fn privileged_is_one_line() {
        let rules = [
            rule(false, DeviceKind::All, None, None, "rwm"),
            rule(true, DeviceKind::All, None, None, "rwm"),
            rule(true, DeviceKind::Char, Some(1), Some(3), "rwm"),
        ];
        assert_eq!(lines(&rules).unwrap(), [line("devices.allow", "a")]);
    }

    #[test]
    fn a_wide_rule_takes_narrow_ones_back() {
        let rules = [rule(true, DeviceKind::Char, Some(1), Some(3), "rwm"), rule(false, DeviceKind::All, Some(1), None, "w")];
        assert_eq!(lines(&rules).unwrap(), [line("devices.deny", "a"), line("devices.allow", "c 1:3 rm")]);
    }

    #[test]
    fn a_change_takes_nothing_away_that_stays() {
        let rules = [
            rule(false, DeviceKind::All, None, None, "rwm"),
            rule(true, DeviceKind::Char, Some(1), Some(3), "rw"),
            rule(true, DeviceKind::Block, Some(8), None, "r"),
        ];
        let held = "c 1:3 rm\nc 5:* rwm\nb 8:* r\n";
        let expected = [line("devices.allow", "c 1:3 w"), line("devices.deny", "c 1:3 m"), line("devices.deny", "c 5:* rwm")];
        assert_eq!(changes(held, &rules).unwrap(), expected);
        let anew = [line("devices.deny", "a"), line("devices.allow", "b 8:* r"), line("devices.allow", "c 1:3 rw")];
        assert_eq!(changes("a *:* rwm\n", &rules).unwrap(), anew);
    }

    #[test]
    fn what_was_there_comes_back() {
        let lines = [line("devices.allow", "c 1:3 rw"), line("devices.deny", "c 5:* m")];
        assert_eq!(back("c 5:* rwm\n", "c 1:3 rw\nc 5:* rw\n"), lines);
        assert_eq!(back("c 5:* rwm\n", "c 5:* rwm\n"), []);
        assert_eq!(back("a *:* rwm\n", "c 1:3 r\n"), [line("devices.deny", "a"), line("devices.allow", "c 1:3 r")]);
        assert_eq!(back("c 5:* rwm\n", "a *:* rwm\n"), []);
    }

    #[test]
    fn a_hole_is_refused() {
        let rules = [rule(true, DeviceKind::Char, Some(1), None, "rwm"), rule(false, DeviceKind::Char, Some(1), Some(3), "w")];
        let text = lines(&rules).unwrap_err().to_string();
        assert_eq!(text, "linux.resources.devices: cgroup version 1 cannot take the rule c 1:3 w out of c 1:* rwm");
    }

    /// The check of security/device_cgroup.c, for one access.
    fn kernel(lines: &[Line], request: Request) -> bool {
        let kind = if request.kind == 2 { 'c' } else { 'b' };
        let letter = match request.access {
            1 => 'm',
            2 => 'r',
            _ => 'w',
        };
        let number = |text: &str, number: u32| text == "*" || text == number.to_string();
        let hit = lines.iter().skip(1).any(|(_, line)| {
            let fields: Vec<&str> = line.split([' ', ':']).collect();
            fields[0].starts_with(kind)
                && number(fields[1], request.major)
                && number(fields[2], request.minor)
                && fields[3].contains(letter)
        });
        hit != (lines[0].0 == "devices.allow")
    }

    #[test]
    fn what_is_not_refused_means_the_same() {
        let mut random = Random(0xfeed);
        let mut taken = 0;
        for _ in 0..4000 {
            let rules: Vec<DeviceRule> = (0..random.below(6)).map(|_| random.rule()).collect();
            let Ok(lines) = lines(&rules) else { continue };
            taken += 1;
            for request in requests().filter(|request| matches!(request.access, 1 | 2 | 4)) {
                assert_eq!(kernel(&lines, request), reference(&rules, request), "{request:?} {rules:#?} {lines:#?}");
            }
        }
        assert!(taken > 500, "{taken}");
    }
}
