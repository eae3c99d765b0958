//! The device rules as a BPF_PROG_TYPE_CGROUP_DEVICE program (linux/bpf.h, `struct bpf_cgroup_dev_ctx`). The kernel
//! asks it for every open and mknod with the kind of device, its numbers and the wanted accesses; 1 allows.
//!
//! The last rule that speaks of an access decides it. So the program goes through the rules from the last to the
//! first with the accesses that are still undecided: a rule that denies one of them ends it with 0, a rule that
//! allows the last of them ends it with 1, and what no rule speaks of is denied.

use skiff_plan::{DeviceKind, DeviceRule};
use skiff_sys::bpf::Insn;

// linux/bpf.h, BPF_DEVCG_*
const DEV_BLOCK: i32 = 1;
const DEV_CHAR: i32 = 2;
const ACC_MKNOD: i32 = 1;
const ACC_READ: i32 = 2;
const ACC_WRITE: i32 = 4;
const ACC_ALL: i32 = ACC_MKNOD | ACC_READ | ACC_WRITE;

// Operations on 32 bits, linux/bpf.h and linux/bpf_common.h: class | operation | operand.
const LOAD_WORD: u8 = 0x61;
const AND_IMM: u8 = 0x54;
const RSH_IMM: u8 = 0x74;
const MOV_IMM: u8 = 0xb4;
// JMP32 (Linux 5.1): a major number above 2^31 would be sign-extended by the 64-bit compare.
const JNE_IMM: u8 = 0x56;
const JSET_IMM: u8 = 0x46;
const JUMP: u8 = 0x05;
const EXIT: u8 = 0x95;

const RESULT: u8 = 0;
const CONTEXT: u8 = 1;
const KIND: u8 = 2;
/// The accesses that no rule has decided yet.
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

/// The program for `rules`.
pub(crate) fn program(rules: &[DeviceRule]) -> Vec<Insn> {
    let mut insns = prologue();
    for rule in rules.iter().rev() {
        if for_all_devices(rule) && access(rule) == ACC_ALL {
            // Nothing before it can matter.
            insns.extend(answer(rule.allow));
            return insns;
        }
        insns.extend(block(rule));
    }
    insns.extend(answer(false));
    insns
}

fn prologue() -> Vec<Insn> {
    vec![
        Insn::new(LOAD_WORD, KIND, CONTEXT, 0, 0),
        Insn::new(AND_IMM, KIND, 0, 0, 0xffff),
        Insn::new(LOAD_WORD, ACCESS, CONTEXT, 0, 0),
        Insn::new(RSH_IMM, ACCESS, 0, 0, 16),
        Insn::new(LOAD_WORD, MAJOR, CONTEXT, 4, 0),
        Insn::new(LOAD_WORD, MINOR, CONTEXT, 8, 0),
    ]
}

/// One rule: comparisons that jump behind the block, then what follows from a match.
fn block(rule: &DeviceRule) -> Vec<Insn> {
    let matched = matched(rule);
    let mut compares = Vec::new();
    match rule.kind {
        DeviceKind::All => {}
        DeviceKind::Char => compares.push((KIND, DEV_CHAR)),
        DeviceKind::Block => compares.push((KIND, DEV_BLOCK)),
    }
    compares.extend(rule.major.map(|major| (MAJOR, major.cast_signed())));
    compares.extend(rule.minor.map(|minor| (MINOR, minor.cast_signed())));
    let count = compares.len();
    let jumps = compares.into_iter().enumerate().map(|(index, (register, value))| {
        let behind = (count - index - 1 + matched.len()) as i16;
        Insn::new(JNE_IMM, register, 0, behind, value)
    });
    jumps.chain(matched.iter().copied()).collect()
}

fn matched(rule: &DeviceRule) -> Vec<Insn> {
    let access = access(rule);
    let [set, exit] = answer(rule.allow);
    if access == ACC_ALL {
        return vec![set, exit];
    }
    if rule.allow {
        // Something is left undecided: go on with the rules before.
        let undecided = ACC_ALL & !access;
        return vec![Insn::new(AND_IMM, ACCESS, 0, 0, undecided), Insn::new(JNE_IMM, ACCESS, 0, 2, 0), set, exit];
    }
    vec![Insn::new(JSET_IMM, ACCESS, 0, 1, access), Insn::new(JUMP, 0, 0, 2, 0), set, exit]
}

fn answer(allow: bool) -> [Insn; 2] {
    [Insn::new(MOV_IMM, RESULT, 0, 0, i32::from(allow)), Insn::new(EXIT, 0, 0, 0, 0)]
}

fn for_all_devices(rule: &DeviceRule) -> bool {
    rule.kind == DeviceKind::All && rule.major.is_none() && rule.minor.is_none()
}

fn access(rule: &DeviceRule) -> i32 {
    let bit = |set, bit| if set { bit } else { 0 };
    bit(rule.mknod, ACC_MKNOD) | bit(rule.read, ACC_READ) | bit(rule.write, ACC_WRITE)
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    /// What the kernel asks.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Request {
        pub(crate) kind: i32,
        pub(crate) access: i32,
        pub(crate) major: u32,
        pub(crate) minor: u32,
    }

    /// The rules read as they are meant: for each wanted access the last rule that speaks of it.
    pub(crate) fn reference(rules: &[DeviceRule], request: Request) -> bool {
        let covers = |rule: &DeviceRule, bit: i32| {
            let kind = match rule.kind {
                DeviceKind::All => true,
                DeviceKind::Char => request.kind == DEV_CHAR,
                DeviceKind::Block => request.kind == DEV_BLOCK,
            };
            kind && rule.major.is_none_or(|major| major == request.major)
                && rule.minor.is_none_or(|minor| minor == request.minor)
                && access(rule) & bit != 0
        };
        [ACC_MKNOD, ACC_READ, ACC_WRITE]
            .into_iter()
            .filter(|bit| request.access & bit != 0)
            .all(|bit| rules.iter().rev().find(|rule| covers(rule, bit)).is_some_and(|rule| rule.allow))
    }

    /// Runs a program as the kernel would, for the operations that [`program`] uses.
    fn run(insns: &[Insn], request: Request) -> bool {
        let context = [(request.access << 16 | request.kind).cast_unsigned(), request.major, request.minor];
        let mut registers = [0u32; 6];
        let mut next = 0usize;
        for _ in 0..=insns.len() {
            let insn = insns[next];
            let value = registers[usize::from(insn.destination())];
            let immediate = insn.immediate.cast_unsigned();
            let mut jump = false;
            let result = match insn.code {
                LOAD_WORD => context[usize::try_from(insn.offset).unwrap() / 4],
                AND_IMM => value & immediate,
                RSH_IMM => value >> immediate,
                MOV_IMM => immediate,
                EXIT => return registers[0] != 0,
                JNE_IMM | JSET_IMM | JUMP => {
                    jump = match insn.code {
                        JNE_IMM => value != immediate,
                        JSET_IMM => value & immediate != 0,
                        _ => true,
                    };
                    value
                }
                other => panic!("operation {other:#x}"),
            };
            registers[usize::from(insn.destination())] = result;
            next += 1 + if jump { usize::try_from(insn.offset).unwrap() } else { 0 };
        }
        panic!("the program does not end");
    }

    /// xorshift64: numbers that are the same in every run.
    pub(crate) struct Random(pub(crate) u64);

    impl Random {
        pub(crate) fn below(&mut self, limit: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % limit
        }

        fn number(&mut self) -> Option<u32> {
            [None, Some(1), Some(2), Some(u32::MAX)][self.below(4) as usize]
        }

        pub(crate) fn rule(&mut self) -> DeviceRule {
            let access = self.below(7) as i32 + 1;
            DeviceRule {
                allow: self.below(2) == 1,
                kind: [DeviceKind::All, DeviceKind::Char, DeviceKind::Block][self.below(3) as usize],
                major: self.number(),
                minor: self.number(),
                read: access & ACC_READ != 0,
                write: access & ACC_WRITE != 0,
                mknod: access & ACC_MKNOD != 0,
            }
        }
    }

    /// Every request that can make a difference to the rules of [`Random::rule`].
    pub(crate) fn requests() -> impl Iterator<Item = Request> {
        let numbers = [0, 1, 2, u32::MAX];
        [DEV_BLOCK, DEV_CHAR].into_iter().flat_map(move |kind| {
            (1..=ACC_ALL).flat_map(move |access| {
                numbers
                    .into_iter()
                    .flat_map(move |major| numbers.into_iter().map(move |minor| Request { kind, access, major, minor }))
            })
        })
    }

    fn rule(allow: bool, kind: DeviceKind, major: Option<u32>, minor: Option<u32>, access: &str) -> DeviceRule {
        let has = |letter| access.contains(letter);
        DeviceRule { allow, kind, major, minor, read: has('r'), write: has('w'), mknod: has('m') }
    }

    #[test]
    fn default_rules_of_a_container() {
        let rules = [
            rule(false, DeviceKind::All, None, None, "rwm"),
            rule(true, DeviceKind::Char, None, None, "m"),
            rule(true, DeviceKind::Char, Some(1), Some(3), "rwm"),
            rule(true, DeviceKind::Char, Some(136), None, "rwm"),
        ];
        let insns = program(&rules);
        let ask = |kind, access, major, minor| run(&insns, Request { kind, access, major, minor });
        assert!(ask(DEV_CHAR, ACC_READ | ACC_WRITE, 1, 3));
        assert!(ask(DEV_CHAR, ACC_ALL, 136, 9));
        assert!(ask(DEV_CHAR, ACC_MKNOD, 10, 229));
        assert!(!ask(DEV_CHAR, ACC_MKNOD | ACC_READ, 10, 229));
        assert!(!ask(DEV_CHAR, ACC_READ, 1, 11));
        assert!(!ask(DEV_BLOCK, ACC_READ, 1, 3));
        assert!(!ask(DEV_BLOCK, ACC_MKNOD, 8, 0));
    }

    #[test]
    fn no_rule_denies() {
        assert!(requests().all(|request| !run(&program(&[]), request)));
    }

    #[test]
    fn what_stands_before_a_rule_for_everything_is_left_out() {
        let all = rule(true, DeviceKind::All, None, None, "rwm");
        let narrow = rule(false, DeviceKind::Char, Some(1), Some(3), "rwm");
        assert_eq!(program(&[narrow, all]), program(&[all]));
        assert!(requests().all(|request| run(&program(&[narrow, all]), request)));
    }

    #[test]
    fn accesses_may_be_allowed_by_different_rules() {
        let rules = [rule(true, DeviceKind::Char, Some(1), None, "r"), rule(true, DeviceKind::Char, Some(1), Some(2), "w")];
        let ask = |minor| run(&program(&rules), Request { kind: DEV_CHAR, access: ACC_READ | ACC_WRITE, major: 1, minor });
        assert!(ask(2));
        assert!(!ask(1));
    }

    #[test]
    fn agrees_with_the_reference_on_random_rules() {
        let mut random = Random(0x5eed_cafe);
        for _ in 0..300 {
            let rules: Vec<DeviceRule> = (0..random.below(12)).map(|_| random.rule()).collect();
            let insns = program(&rules);
            for request in requests() {
                assert_eq!(run(&insns, request), reference(&rules, request), "{request:?} {rules:#?}");
            }
        }
    }

    #[test]
    fn the_verifier_takes_random_programs() {
        if !nix::unistd::geteuid().is_root() {
            let _ = std::io::Write::write_all(&mut std::io::stderr(), b"skipped: loading a program needs root\n");
            return;
        }
        let mut random = Random(0xdead_beef);
        for count in [0, 1, 10, 100, 400] {
            let rules: Vec<DeviceRule> = (0..count).map(|_| random.rule()).collect();
            if let Err(error) = skiff_sys::bpf::prog_load_cgroup_device(&program(&rules)) {
                panic!("{count} rules: {error:?}");
            }
        }
    }
}
