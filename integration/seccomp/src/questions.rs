//! What is asked of two filters that should agree: every call number of every x86 architecture, and for calls with
//! conditions the argument values around those of the conditions.

use std::collections::BTreeSet;

use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompArg, LinuxSeccompOperator};
use skiff_sys::seccomp::SockFilter;

use crate::machine::{Asked, looks_at_arguments, run};
use crate::oracle::{Oracle, X32_BIT, X86, X86_64};
use crate::reference::Reference;

/// The samples of all values against each other, for a call that looks at its arguments.
const SAMPLES: u64 = 512;

/// Something else that judges calls.
pub trait Judge {
    /// What is wrong with `verdict`, if anything.
    fn objection(&self, asked: &Asked, verdict: u32) -> Option<String>;
    /// Whether arguments decide about this call.
    fn looks_at_arguments(&self, asked: &Asked) -> bool;
}

impl Judge for Oracle {
    fn objection(&self, asked: &Asked, verdict: u32) -> Option<String> {
        let theirs = self.verdict(asked);
        (verdict != theirs).then(|| format!("libseccomp {theirs:#x}"))
    }

    fn looks_at_arguments(&self, asked: &Asked) -> bool {
        looks_at_arguments(&self.program, asked)
    }
}

impl Judge for Reference {
    fn objection(&self, asked: &Asked, verdict: u32) -> Option<String> {
        let allowed = self.verdicts(asked);
        (!allowed.contains(&verdict)).then(|| format!("the profile {allowed:#x?}"))
    }

    fn looks_at_arguments(&self, asked: &Asked) -> bool {
        self.has_conditions(asked)
    }
}

/// Asks the program everything and the judge about every answer; the first objection for each call.
pub fn objections(profile: &LinuxSeccomp, program: &[SockFilter], judge: &dyn Judge) -> Vec<String> {
    let arguments = arguments(profile);
    let mut found = Vec::new();
    for (arch, number) in calls() {
        let plain = Asked { arch, number, args: [0; 6] };
        let looks = looks_at_arguments(program, &plain) || judge.looks_at_arguments(&plain);
        let all = if looks { arguments.as_slice() } else { &[[0; 6]] };
        found.extend(all.iter().find_map(|&args| {
            let asked = Asked { args, ..plain };
            let verdict = run(program, &asked);
            judge.objection(&asked, verdict).map(|objection| format!("{asked:x?}: {verdict:#x}, {objection}"))
        }));
    }
    found
}

/// Every number up to well above the newest call, and the borders of x32's numbers and of signs.
fn calls() -> impl Iterator<Item = (u32, u32)> {
    let usual = || 0..600;
    let native = usual().chain(usual().map(|number| number | X32_BIT));
    let borders = [X32_BIT - 1, 2 * X32_BIT - 1, 2 * X32_BIT, 3 * X32_BIT - 1, 3 * X32_BIT, u32::MAX - 1, u32::MAX];
    let compat = usual().chain([102 | X32_BIT, u32::MAX]);
    let foreign = [0, 1, 102, u32::MAX].map(|number| (0xc000_00b7, number));
    native.chain(borders).map(|number| (X86_64, number)).chain(compat.map(|number| (X86, number))).chain(foreign)
}

/// What to try: around the conditions of each rule together, and samples of everything against everything.
fn arguments(profile: &LinuxSeccomp) -> Vec<[u64; 6]> {
    let mut all = BTreeSet::new();
    let mut values: [BTreeSet<u64>; 6] = Default::default();
    // Which call is made through socketcall or ipc.
    values[0].extend(0..=25);
    for args in profile.syscalls().iter().flatten().filter_map(|rule| rule.args().as_ref()) {
        let mut near = vec![[0; 6]];
        for arg in args {
            let around = around(arg);
            values[arg.index()].extend(around.iter().copied());
            near = near.iter().flat_map(|args| around.iter().map(|&value| with(*args, arg.index(), value))).collect();
        }
        all.extend(near);
    }
    let values = values.map(|values| if values.is_empty() { vec![0] } else { values.into_iter().collect() });
    all.extend((0..SAMPLES).map(|step| sample(&values, step)));
    all.extend(values[0].iter().map(|&value| with([0; 6], 0, value)));
    all.into_iter().collect()
}

fn around(arg: &LinuxSeccompArg) -> Vec<u64> {
    let mut values = BTreeSet::from([0, u64::MAX]);
    let mut add = |value: u64| values.extend([value.wrapping_sub(1), value, value.wrapping_add(1), value ^ 1 << 32]);
    add(arg.value());
    if arg.op() == LinuxSeccompOperator::ScmpCmpMaskedEq {
        let value = arg.value_two().unwrap_or(0);
        add(value);
        add(value | !arg.value());
    }
    values.into_iter().collect()
}

fn with(mut args: [u64; 6], index: usize, value: u64) -> [u64; 6] {
    args[index] = value;
    args
}

fn sample(values: &[Vec<u64>; 6], step: u64) -> [u64; 6] {
    let mut dice = step.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    std::array::from_fn(|index| {
        dice = (dice ^ dice >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        values[index][(dice >> 33) as usize % values[index].len()]
    })
}
