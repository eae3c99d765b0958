//! What a profile says, read plainly: the actions of the rules that hold. For profiles that libseccomp gets wrong.

use std::collections::{BTreeMap, BTreeSet};

use libseccomp::{ScmpArch, ScmpSyscall};
use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompOperator};

use crate::machine::Asked;
use crate::oracle::{self, X32_BIT, X86, X86_64};

/// A profile to be read.
pub struct Reference {
    rules: BTreeMap<(u32, u32), Vec<Rule>>,
    default: u32,
    compat: bool,
    x32: bool,
    newest: Vec<(ScmpArch, u32)>,
}

struct Rule {
    action: u32,
    conditions: Vec<LinuxSeccompArg>,
    wide: bool,
}

impl Reference {
    pub fn new(profile: &LinuxSeccomp) -> Reference {
        let default = returned(profile.default_action(), profile.default_errno_ret());
        let arches = oracle::architectures(profile);
        let mut rules: BTreeMap<_, Vec<Rule>> = BTreeMap::new();
        for rule in profile.syscalls().iter().flatten() {
            let action = returned(rule.action(), rule.errno_ret());
            for name in rule.names().iter().filter(|_| action != default) {
                for (place, wide, within) in places(name) {
                    for mut conditions in alternatives(rule.args().as_deref().unwrap_or_default()) {
                        conditions.retain(|condition| within.is_none() || condition.index() != 0);
                        conditions.extend(within);
                        rules.entry(place).or_default().push(Rule { action, conditions, wide });
                    }
                }
            }
        }
        let listed = |arch| arches.contains(&arch);
        Reference { rules, default, compat: listed(ScmpArch::X86), x32: listed(ScmpArch::X32), newest: oracle::newest(profile) }
    }

    /// Whether a rule for this call has conditions.
    pub fn has_conditions(&self, asked: &Asked) -> bool {
        let rules = self.rules.get(&(asked.arch, asked.number));
        rules.is_some_and(|rules| rules.iter().any(|rule| !rule.conditions.is_empty()))
    }

    /// The verdicts that the profile allows; several when rules with different actions hold.
    pub fn verdicts(&self, asked: &Asked) -> BTreeSet<u32> {
        let one = |verdict| BTreeSet::from([verdict]);
        if let Some(verdict) = oracle::too_new(&self.newest, asked) {
            return one(verdict);
        }
        let foreign = match asked.arch {
            X86_64 => asked.number >= X32_BIT && asked.number != u32::MAX && !self.x32,
            X86 => !self.compat,
            _ => true,
        };
        if foreign {
            return one(0);
        }
        let rules = self.rules.get(&(asked.arch, asked.number)).map_or(&[][..], Vec::as_slice);
        if let Some(always) = rules.iter().find(|rule| rule.conditions.iter().all(|condition| says_nothing(condition, rule.wide)))
        {
            return one(always.action);
        }
        let held: BTreeSet<u32> = rules.iter().filter(|rule| rule.holds(asked)).map(|rule| rule.action).collect();
        if held.is_empty() { one(self.default) } else { held }
    }
}

/// `SECCOMP_RET_*` with its data.
fn returned(action: LinuxSeccompAction, data: Option<u32>) -> u32 {
    action.as_u32(Some(data.unwrap_or(1)))
}

impl Rule {
    fn holds(&self, asked: &Asked) -> bool {
        let narrow = |value: u64| if self.wide { value } else { value & 0xffff_ffff };
        self.conditions.iter().all(|condition| {
            let (is, value) = (narrow(asked.args[condition.index()]), narrow(condition.value()));
            match condition.op() {
                LinuxSeccompOperator::ScmpCmpNe => is != value,
                LinuxSeccompOperator::ScmpCmpLt => is < value,
                LinuxSeccompOperator::ScmpCmpLe => is <= value,
                LinuxSeccompOperator::ScmpCmpEq => is == value,
                LinuxSeccompOperator::ScmpCmpGe => is >= value,
                LinuxSeccompOperator::ScmpCmpGt => is > value,
                LinuxSeccompOperator::ScmpCmpMaskedEq => is & value == condition.value_two().unwrap_or(0) & value,
            }
        })
    }
}

fn says_nothing(condition: &LinuxSeccompArg, wide: bool) -> bool {
    let mask = if wide { condition.value() } else { condition.value() & 0xffff_ffff };
    condition.op() == LinuxSeccompOperator::ScmpCmpMaskedEq && mask == 0
}

/// runc's way with two conditions on one argument.
fn alternatives(args: &[LinuxSeccompArg]) -> Vec<Vec<LinuxSeccompArg>> {
    let arguments: BTreeSet<usize> = args.iter().map(LinuxSeccompArg::index).collect();
    if arguments.len() < args.len() { args.iter().map(|arg| vec![*arg]).collect() } else { vec![args.to_vec()] }
}

/// Where a call can be made: architecture and number, whether 64 bits count, and the condition that goes with it.
fn places(name: &str) -> Vec<((u32, u32), bool, Option<LinuxSeccompArg>)> {
    let mut places = Vec::new();
    for (arch, audit, wide) in [(ScmpArch::X8664, X86_64, true), (ScmpArch::X32, X86_64, false), (ScmpArch::X86, X86, false)] {
        let Ok(call) = ScmpSyscall::from_name_by_arch(name, arch) else { continue };
        let call = call.as_raw_syscall();
        if let Ok(number) = u32::try_from(call) {
            places.push(((audit, number), wide, None));
        }
        let within = match call {
            -120..=-100 if arch == ScmpArch::X86 => Some((102, -100 - call)),
            -224..=-200 if arch == ScmpArch::X86 => Some((117, -200 - call)),
            _ => None,
        };
        if let Some((number, code)) = within {
            let condition = serde_json::json!({ "index": 0, "op": "SCMP_CMP_EQ", "value": code });
            let condition = serde_json::from_value(condition).unwrap();
            places.push(((audit, number), false, Some(condition)));
            places.extend(direct(name).map(|number| ((audit, number), false, None)));
        }
    }
    places
}

/// The i386 number of a call that libseccomp resolves to socketcall or ipc by its name.
fn direct(name: &str) -> Option<u32> {
    let is =
        |number: &i32| ScmpSyscall::from_raw_syscall(*number).get_name_by_arch(ScmpArch::X86).is_ok_and(|found| found == name);
    (0..600).find(is).and_then(|number| u32::try_from(number).ok())
}
