//! Profiles by dice: the same ones in every run.

use std::collections::BTreeSet;

use libseccomp::{ScmpArch, ScmpSyscall};
use oci_spec::runtime::LinuxSeccomp;
use serde_json::{Value, json};

const EQUAL: &[&str] = &["SCMP_CMP_EQ", "SCMP_CMP_NE"];
const RELATIONS: &[&str] = &["SCMP_CMP_LT", "SCMP_CMP_LE", "SCMP_CMP_GT", "SCMP_CMP_GE"];
const MASKED: &str = "SCMP_CMP_MASKED_EQ";
const VALUES: &[u64] = &[0, 1, 5, 16, 40, 0x7e02_0000, 0x7fff_ffff, 0xffff_ffff, 1 << 32, (1 << 32) + 5, 7 << 40, u64::MAX];

/// Splitmix64.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// 0 to `below` - 1.
    fn roll(&mut self, below: usize) -> usize {
        (self.next() % below as u64) as usize
    }

    /// Once in `times`.
    fn once_in(&mut self, times: usize) -> bool {
        self.roll(times) == 0
    }

    fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.roll(list.len())]
    }

    fn shuffle<T>(&mut self, list: &mut [T]) {
        for at in (1..list.len()).rev() {
            list.swap(at, self.roll(at + 1));
        }
    }
}

/// The names of all calls that libseccomp knows on x86.
pub struct Names {
    /// Calls that are made by their own number only.
    single: Vec<String>,
    /// Calls that i386 can also make through socketcall or ipc, and these two.
    multiplexed: Vec<String>,
}

impl Names {
    pub fn new() -> Names {
        let through = |name: &String| {
            let call = ScmpSyscall::from_name_by_arch(name, ScmpArch::X86).unwrap().as_raw_syscall();
            (-224..=-100).contains(&call) || ["socketcall", "ipc"].contains(&name.as_str())
        };
        let (multiplexed, single) = all_names().into_iter().partition(through);
        Names { single, multiplexed }
    }
}

impl Default for Names {
    fn default() -> Names {
        Names::new()
    }
}

/// Both kinds.
pub fn all_names() -> BTreeSet<String> {
    let arches = [ScmpArch::X8664, ScmpArch::X86];
    let calls = arches.into_iter().flat_map(|arch| (0..600).map(move |number| (arch, number)));
    calls.filter_map(|(arch, number)| ScmpSyscall::from_raw_syscall(number).get_name_by_arch(arch).ok()).collect()
}

/// A profile on which libseccomp 2.5.4 does what it says. Where the rules of one call are more than these, its program
/// may compare a word that it no longer holds: after a comparison behind another one fails, it goes on with the next
/// rule's on the first word without loading that again (round 139 of the wild ones: `mmap`, whose second argument
/// then decides a rule on its first).
pub fn orderly(dice: &mut Dice, names: &Names) -> LinuxSeccomp {
    profile(dice, names, &|dice, rules| {
        match dice.roll(4) {
            0 => rules.push(alone(dice)),
            1 => one_argument(dice, rules),
            2 => one_exception(dice, rules),
            _ => each_its_argument(dice, rules),
        };
    })
}

/// Any profile; the rules of one call have the same action unless `mixed`.
pub fn wild(dice: &mut Dice, names: &Names, mixed: bool) -> LinuxSeccomp {
    profile(dice, names, &|dice, rules| {
        let shared = action(dice);
        for _ in 0..=dice.roll(5) {
            let mut rule = if mixed { action(dice) } else { shared.clone() };
            let args: Vec<Value> = (0..=dice.roll(3)).map(|_| condition(dice)).collect();
            rule["args"] = json!(args);
            rules.push(rule);
        }
    })
}

fn profile(dice: &mut Dice, names: &Names, conditional: &dyn Fn(&mut Dice, &mut Vec<Value>)) -> LinuxSeccomp {
    let default = action(dice);
    // Several multiplexed calls are rules of one call on i386: either one has conditions, or several have none.
    let alone = dice.once_in(2);
    let mut all = unconditional(dice, names, alone);
    let mut used = BTreeSet::new();
    for _ in 0..=dice.roll(8) {
        let name = if alone && used.is_empty() { dice.pick(&names.multiplexed) } else { dice.pick(&names.single) };
        if used.insert(name) {
            let mut rules = Vec::new();
            conditional(dice, &mut rules);
            rules.iter_mut().for_each(|rule| rule["names"] = json!([name]));
            all.extend(rules);
        }
    }
    // Which is first matters.
    dice.shuffle(&mut all);
    let mut profile = json!({ "defaultAction": default["action"], "syscalls": all });
    if !default["errnoRet"].is_null() {
        profile["defaultErrnoRet"] = default["errnoRet"].clone();
    }
    if !dice.once_in(5) {
        profile["architectures"] = json!(architectures(dice));
    }
    serde_json::from_value(profile).unwrap()
}

fn unconditional(dice: &mut Dice, names: &Names, no_multiplexed: bool) -> Vec<Value> {
    let entry = |dice: &mut Dice| {
        let mut rule = action(dice);
        let mut list: Vec<&str> = (0..=dice.roll(60)).map(|_| dice.pick(&names.single).as_str()).collect();
        if dice.once_in(4) {
            // These two decide alone, whatever else there is.
            list.push(["socketcall", "ipc", "no_such_call"][dice.roll(3)]);
        }
        if !no_multiplexed {
            list.extend((0..dice.roll(6)).map(|_| dice.pick(&names.multiplexed).as_str()));
        }
        rule["names"] = json!(list);
        rule
    };
    (0..dice.roll(6)).map(|_| entry(dice)).collect()
}

fn architectures(dice: &mut Dice) -> Vec<&'static str> {
    let all = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_NATIVE", "SCMP_ARCH_ARM"];
    all.into_iter().filter(|_| !dice.once_in(3)).collect()
}

/// `action` and perhaps `errnoRet`. libseccomp 2.5.4 does not take the highest error number, 4095.
fn action(dice: &mut Dice) -> Value {
    match dice.roll(12) {
        0 => json!({ "action": "SCMP_ACT_KILL" }),
        1 => json!({ "action": "SCMP_ACT_KILL_THREAD" }),
        2 => json!({ "action": "SCMP_ACT_KILL_PROCESS" }),
        3 => json!({ "action": "SCMP_ACT_TRAP" }),
        4 => json!({ "action": "SCMP_ACT_TRACE", "errnoRet": dice.roll(65536) }),
        5 => json!({ "action": "SCMP_ACT_TRACE" }),
        6 => json!({ "action": "SCMP_ACT_LOG" }),
        7 => json!({ "action": "SCMP_ACT_ERRNO" }),
        8 => json!({ "action": "SCMP_ACT_ERRNO", "errnoRet": dice.pick(&[0, 1, 22, 38, 4094]) }),
        _ => json!({ "action": "SCMP_ACT_ALLOW" }),
    }
}

/// One rule, with a condition on each of a few arguments.
fn alone(dice: &mut Dice) -> Value {
    let mut rule = action(dice);
    let args: Vec<Value> =
        (0..6).filter(|_| dice.once_in(3)).collect::<Vec<_>>().into_iter().map(|index| on(dice, index)).collect();
    rule["args"] = json!(args);
    rule
}

/// Rules on one argument that differ in the lower half only. What holds for most values has one action: of several that
/// do not, libseccomp takes one for values with another upper half and another for the rest.
fn one_argument(dice: &mut Dice, rules: &mut Vec<Value>) {
    let index = dice.roll(6);
    let (operators, most) = *dice.pick(&[(EQUAL, 6), (&RELATIONS[..2], 6), (&RELATIONS[2..], 2)]);
    let upper = if dice.once_in(3) { 7 << 32 } else { 0 };
    let shared = action(dice);
    for _ in 0..=dice.roll(most) {
        let op = *dice.pick(operators);
        let value = upper | dice.pick(VALUES) & 0xffff_ffff;
        let mut rule = if ["SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE"].contains(&op) { shared.clone() } else { action(dice) };
        rule["args"] = json!([{ "index": index, "op": op, "value": value }]);
        rules.push(rule);
    }
}

/// What podman's profile does with `socket`: some values, one of them with a further condition, and all others.
fn one_exception(dice: &mut Dice, rules: &mut Vec<Value>) {
    let index = dice.roll(3);
    let least = dice.roll(5) as u64;
    let is = |op, value| json!({ "index": index, "op": op, "value": value });
    let further: Vec<Value> = [EQUAL[0], EQUAL[1]]
        .into_iter()
        .map(|op| json!({ "index": index + 1 + least as usize % 3, "op": op, "value": 9 }))
        .collect();
    let mut lists = vec![vec![is("SCMP_CMP_EQ", least + 1 + dice.roll(50) as u64)], vec![is("SCMP_CMP_NE", least)]];
    lists.extend(further.into_iter().map(|further| vec![is("SCMP_CMP_EQ", least), further]));
    for args in lists {
        let mut rule = action(dice);
        rule["args"] = json!(args);
        rules.push(rule);
    }
}

/// Rules on one argument each, no two on the same.
fn each_its_argument(dice: &mut Dice, rules: &mut Vec<Value>) {
    for index in 0..6 {
        if dice.once_in(2) {
            let mut rule = action(dice);
            rule["args"] = json!([on(dice, index)]);
            rules.push(rule);
        }
    }
}

fn condition(dice: &mut Dice) -> Value {
    let index = dice.roll(4);
    on(dice, index)
}

fn on(dice: &mut Dice, index: usize) -> Value {
    let value = *dice.pick(VALUES);
    match dice.roll(7) {
        0 => {
            let masked = if dice.once_in(3) { *dice.pick(VALUES) } else { value & dice.pick(VALUES) };
            json!({ "index": index, "op": MASKED, "value": value, "valueTwo": masked })
        }
        1 | 2 => json!({ "index": index, "op": dice.pick(EQUAL), "value": value }),
        _ => json!({ "index": index, "op": dice.pick(RELATIONS), "value": value }),
    }
}
