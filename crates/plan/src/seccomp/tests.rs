//! What a profile becomes, and what its program then says. Whether libseccomp says the same is asked in
//! integration/seccomp.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use oci_spec::runtime::LinuxSeccomp;
use serde_json::{Value, json};

use super::abi::Abi;
use super::machine::{Asked, looks_at_arguments, run};
use super::*;

const X86_64: u32 = 0xc000_003e;
const X86: u32 = 0x4000_0003;
const AARCH64: u32 = 0xc000_00b7;
const ARM: u32 = 0x4000_0028;
const X32: u32 = 1 << 30;

const KILL: u32 = 0;
const ALLOW: u32 = 0x7fff_0000;
const EPERM: u32 = 0x0005_0001;
const ENOSYS: u32 = 0x0005_0026;

fn spec(profile: &Value) -> LinuxSeccomp {
    serde_json::from_value(profile.clone()).unwrap()
}

fn refusal(profile: &Value) -> String {
    seccomp(&spec(profile), 0).unwrap_err().to_string()
}

/// Decided for a host with an architecture of its own, so that one host tests all.
fn on(native: Abi, profile: &Value) -> Seccomp {
    let spec = spec(profile);
    let default = rules::default_action(&spec).unwrap();
    let rules = rules::rules(&spec, default).unwrap();
    let listed = spec.architectures().as_deref().unwrap_or_default();
    Seccomp { flags: 0, tables: table::tables_on(native, &rules, default, listed).unwrap() }
}

fn verdict(program: &[skiff_sys::seccomp::SockFilter], arch: u32, number: u32, args: &[u64]) -> u32 {
    let mut all = [0; 6];
    all[..args.len()].copy_from_slice(args);
    run(program, &Asked { arch, number, args: all })
}

#[test]
fn refusals() {
    let cases = [
        (json!({ "defaultAction": "SCMP_ACT_NOTIFY" }), "linux.seccomp.defaultAction: SCMP_ACT_NOTIFY cannot be the default"),
        (
            json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
                { "names": ["read"], "action": "SCMP_ACT_ERRNO" }, { "names": ["mount"], "action": "SCMP_ACT_NOTIFY" }] }),
            "linux.seccomp.syscalls[1].action: SCMP_ACT_NOTIFY: not supported yet",
        ),
        (json!({ "defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/s" }), "linux.seccomp.listenerPath: not supported yet"),
        (
            json!({ "defaultAction": "SCMP_ACT_ALLOW", "listenerMetadata": "x" }),
            "linux.seccomp.listenerMetadata: not supported yet",
        ),
        (
            json!({ "defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"] }),
            "linux.seccomp.flags[0]: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: not supported yet",
        ),
        (
            json!({ "defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_LOG"] }),
            "linux.seccomp.flags[0]: the kernel has no SECCOMP_FILTER_FLAG_LOG",
        ),
        (
            json!({ "defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 1 }),
            "linux.seccomp.defaultErrnoRet: SCMP_ACT_ALLOW takes none",
        ),
        (
            json!({ "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 4096 }),
            "linux.seccomp.defaultErrnoRet: 4096 is above 4095",
        ),
        (
            json!({ "defaultAction": "SCMP_ACT_TRACE", "defaultErrnoRet": 65536 }),
            "linux.seccomp.defaultErrnoRet: 65536 is above 65535",
        ),
        (
            json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{ "names": ["read"], "action": "SCMP_ACT_ERRNO",
                "args": [{ "index": 6, "value": 1, "op": "SCMP_CMP_EQ" }] }] }),
            "linux.seccomp.syscalls[0].args[0].index: 6: a system call has arguments 0 to 5",
        ),
        (
            json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
                { "names": ["read"], "action": "SCMP_ACT_ERRNO", "args": [{ "index": 0, "value": 1, "op": "SCMP_CMP_EQ" }] },
                { "names": ["read"], "action": "SCMP_ACT_KILL", "args": [{ "index": 0, "value": 1, "op": "SCMP_CMP_EQ" }] }] }),
            "linux.seccomp.syscalls[1]: read: an earlier rule with the same conditions has another action",
        ),
    ];
    for (profile, text) in cases {
        assert_eq!(refusal(&profile), format!("config.json: {text}"));
    }
}

#[test]
fn flags_of_the_filter() {
    let flags = |flags: Value, kernel| {
        let mut profile = json!({ "defaultAction": "SCMP_ACT_ALLOW" });
        if !flags.is_null() {
            profile["flags"] = flags;
        }
        seccomp(&spec(&profile), kernel).unwrap().flags
    };
    assert_eq!(flags(Value::Null, 6), 4, "what the kernel has of runc's default");
    assert_eq!(flags(Value::Null, 2), 0);
    assert_eq!(flags(json!([]), 6), 0);
    assert_eq!(flags(json!(["SECCOMP_FILTER_FLAG_TSYNC"]), 0), 0);
    assert_eq!(flags(json!(["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"]), 6), 6);
}

#[test]
fn a_filter_that_does_nothing_is_one_return_an_architecture() {
    let program = on(Abi::Aarch64, &json!({ "defaultAction": "SCMP_ACT_ALLOW" })).compile().unwrap();
    assert_eq!(program.len(), 4);
    assert_eq!(verdict(&program, AARCH64, 0, &[]), ALLOW);
    assert_eq!(verdict(&program, ARM, 0, &[]), KILL);
}

#[test]
fn callers_by_architecture() {
    let rules = json!([{ "names": ["execve", "no_such_call"], "action": "SCMP_ACT_ALLOW" }]);
    let all =
        json!(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM", "SCMP_ARCH_S390X"]);
    let profile = json!({ "defaultAction": "SCMP_ACT_ERRNO", "architectures": all, "syscalls": rules });
    let program = on(Abi::X86_64, &profile).compile().unwrap();
    for (arch, number, expected) in [
        (X86_64, 59, ALLOW),
        (X86_64, 11, EPERM),
        (X86_64, X32 | 520, ALLOW),
        (X86_64, X32 | 59, EPERM),
        (X86, 11, ALLOW),
        (AARCH64, 221, KILL),
    ] {
        assert_eq!(verdict(&program, arch, number, &[]), expected, "{arch:#x} {number}");
    }
    let program = on(Abi::Aarch64, &profile).compile().unwrap();
    for (arch, number, expected) in [(AARCH64, 221, ALLOW), (AARCH64, 11, EPERM), (ARM, 11, ALLOW), (X86_64, 59, KILL)] {
        assert_eq!(verdict(&program, arch, number, &[]), expected, "{arch:#x} {number}");
    }
    let program = on(Abi::X86_64, &json!({ "defaultAction": "SCMP_ACT_ERRNO", "syscalls": rules })).compile().unwrap();
    let x86_64 = |number| verdict(&program, X86_64, number, &[]);
    assert_eq!([x86_64(59), x86_64(X32 | 520), x86_64(u32::MAX), verdict(&program, X86, 11, &[])], [ALLOW, KILL, EPERM, KILL]);
}

#[test]
fn calls_newer_than_the_profile() {
    let profile = |default: &str, arches: Value| {
        json!({ "defaultAction": default, "architectures": arches,
            "syscalls": [{ "names": ["read", "openat2"], "action": "SCMP_ACT_ALLOW" }] })
    };
    let native = json!(["SCMP_ARCH_X86_64"]);
    let verdicts = |profile: &Value| {
        let program = on(Abi::X86_64, profile).compile().unwrap();
        [436, 437, 438, X32 - 1].map(|number| verdict(&program, X86_64, number, &[]))
    };
    assert_eq!(verdicts(&profile("SCMP_ACT_ERRNO", native.clone())), [EPERM, ALLOW, ENOSYS, ENOSYS]);
    assert_eq!(verdicts(&profile("SCMP_ACT_KILL_PROCESS", native.clone())), [0x8000_0000, ALLOW, ENOSYS, ENOSYS]);
    assert_eq!(verdicts(&profile("SCMP_ACT_LOG", native)), [0x7ffc_0000, ALLOW, 0x7ffc_0000, 0x7ffc_0000]);
    assert_eq!(verdicts(&profile("SCMP_ACT_ERRNO", json!(["SCMP_ARCH_X86"]))), [EPERM, ALLOW, EPERM, EPERM], "not listed");
}

#[test]
fn conditions() {
    type Case = (&'static str, u64, Value, &'static [u64], &'static [u64]);
    let cases: [Case; 8] = [
        ("EQ", 5, Value::Null, &[5], &[4, 6, 5 | 1 << 32]),
        ("NE", 5, Value::Null, &[4, 6, 5 | 1 << 32], &[5]),
        ("LT", 1 << 32, Value::Null, &[0, 0xffff_ffff], &[1 << 32, u64::MAX]),
        ("LE", 1 << 32, Value::Null, &[0, 1 << 32], &[1 + (1 << 32), u64::MAX]),
        ("GT", 1 << 32, Value::Null, &[1 + (1 << 32), u64::MAX], &[0, 1 << 32]),
        ("GE", 1 << 32, Value::Null, &[1 << 32, u64::MAX], &[0, 0xffff_ffff]),
        ("MASKED_EQ", 0x7e02_0000, Value::Null, &[0, 17, 1 << 32], &[0x1000_0000, 0x0002_0011]),
        ("MASKED_EQ", 0xf0, json!(0x1f), &[0x10, 0x1f], &[0, 0x2f, 0xff]),
    ];
    for (op, value, value_two, hold, not) in cases {
        let mut arg = json!({ "index": 1, "op": format!("SCMP_CMP_{op}"), "value": value });
        if !value_two.is_null() {
            arg["valueTwo"] = value_two;
        }
        let rule = json!({ "names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [arg] });
        let program = on(Abi::X86_64, &json!({ "defaultAction": "SCMP_ACT_ERRNO", "syscalls": [rule] })).compile().unwrap();
        let holds = |&value: &u64| verdict(&program, X86_64, 0, &[0, value]) == ALLOW;
        assert!(hold.iter().all(holds) && !not.iter().any(holds), "{op} {value:#x}");
    }
}

/// Two conditions on one argument are rules of their own, those on several hold together.
#[test]
fn conditions_of_one_rule() {
    let arg = |index, op: &str, value| json!({ "index": index, "op": op, "value": value });
    let program = |args: Value| {
        let rule = json!({ "names": ["read"], "action": "SCMP_ACT_ALLOW", "args": args });
        on(Abi::X86_64, &json!({ "defaultAction": "SCMP_ACT_ERRNO", "syscalls": [rule] })).compile().unwrap()
    };
    let both = program(json!([arg(2, "SCMP_CMP_EQ", 7), arg(0, "SCMP_CMP_EQ", 1)]));
    assert_eq!([[1, 0, 7], [1, 0, 0], [0, 0, 7]].map(|args| verdict(&both, X86_64, 0, &args)), [ALLOW, EPERM, EPERM]);
    let any = program(json!([arg(2, "SCMP_CMP_EQ", 7), arg(0, "SCMP_CMP_EQ", 1), arg(0, "SCMP_CMP_EQ", 2)]));
    assert_eq!([[1, 0, 0], [2, 0, 0], [0, 0, 7]].map(|args| verdict(&any, X86_64, 0, &args)), [ALLOW; 3]);
}

/// podman's rules for `socket`: family 40 is denied although a rule allows every family but 16.
#[test]
fn rules_of_one_call() {
    let rule = |action: &str, args: Value| json!({ "names": ["socket"], "action": action, "args": args });
    let arg = |index, op: &str, value| json!({ "index": index, "op": op, "value": value });
    let mut rules = vec![
        rule("SCMP_ACT_ALLOW", json!([arg(0, "SCMP_CMP_NE", 16)])),
        rule("SCMP_ACT_ALLOW", json!([arg(0, "SCMP_CMP_EQ", 16), arg(2, "SCMP_CMP_NE", 9)])),
        rule("SCMP_ACT_TRAP", json!([arg(0, "SCMP_CMP_EQ", 16), arg(2, "SCMP_CMP_EQ", 9)])),
        rule("SCMP_ACT_KILL", json!([arg(0, "SCMP_CMP_EQ", 40)])),
    ];
    for _ in 0..4 {
        rules.rotate_left(1);
        let profile = json!({ "defaultAction": "SCMP_ACT_ERRNO", "syscalls": rules });
        let program = on(Abi::X86_64, &profile).compile().unwrap();
        let socket = |family, protocol| verdict(&program, X86_64, 41, &[family, 0, protocol]);
        assert_eq!([socket(2, 9), socket(16, 0), socket(16, 9), socket(40, 0)], [ALLOW, ALLOW, 0x0003_0000, KILL]);
    }
    rules.push(rule("SCMP_ACT_LOG", json!([])));
    let program = on(Abi::X86_64, &json!({ "defaultAction": "SCMP_ACT_ERRNO", "syscalls": rules })).compile().unwrap();
    assert_eq!(verdict(&program, X86_64, 41, &[40, 0, 0]), 0x7ffc_0000, "an unconditional rule decides alone");
}

/// The kernel remembers what is always allowed, as long as the way there looks at no argument.
#[test]
fn what_is_always_allowed_looks_at_no_argument() {
    let config: Value = serde_json::from_str(&crate::fixtures::config("podman58-v2-run.json")).unwrap();
    let program = seccomp(&spec(&config["linux"]["seccomp"]), 0).unwrap().compile().unwrap();
    let (mut allowed, mut looked) = (0, Vec::new());
    for number in 0..470 {
        let asked = Asked { arch: X86_64, number, args: [0; 6] };
        allowed += u32::from(run(&program, &asked) == ALLOW);
        looked.extend(looks_at_arguments(&program, &asked).then_some(number));
    }
    assert!(allowed > 300, "{allowed} calls");
    assert_eq!(looked, [41, 135], "socket, personality");
}

/// More than 255 instructions between a choice and what it chooses.
#[test]
fn long_ways() {
    let range = |number: u32| {
        let condition = |value| SeccompCondition { argument: 0, wide: true, operator: SeccompOperator::Equal, value };
        let rules = (0..u64::from(number % 3)).map(|at| SeccompRule {
            action: SeccompAction::Trace(at as u16),
            conditions: vec![condition(at + u64::from(number))],
        });
        let outcome = SeccompOutcome { rules: rules.collect(), otherwise: SeccompAction::Errno((number % 5) as u16) };
        SeccompRange { first: number, outcome }
    };
    let table = |audit_arch| SeccompTable { audit_arch, ranges: (0..200).map(range).collect() };
    let profile = Seccomp { flags: 0, tables: vec![table(X86_64), table(X86)] };
    let program = profile.compile().unwrap();
    assert!(program.len() > 2 * 255, "{}", program.len());
    for number in 0..200 {
        for (arch, value) in [X86_64, X86].into_iter().flat_map(|arch| (0..3).map(move |value| (arch, value))) {
            let rules = u64::from(number % 3);
            let expected = if value < rules { 0x7ff0_0000 | value as u32 } else { 0x0005_0000 | (number % 5) };
            assert_eq!(verdict(&program, arch, number, &[value + u64::from(number)]), expected, "{number} {value}");
        }
    }
}

#[test]
fn more_than_the_kernel_takes() {
    let range = |number: u32| {
        let outcome = SeccompOutcome { rules: Vec::new(), otherwise: SeccompAction::Errno((number % 7) as u16) };
        SeccompRange { first: number, outcome }
    };
    let profile = Seccomp { flags: 0, tables: vec![SeccompTable { audit_arch: X86_64, ranges: (0..4096).map(range).collect() }] };
    let error = profile.compile().unwrap_err().to_string();
    assert!(
        error.starts_with("config.json: linux.seccomp.syscalls: the filter has ") && error.ends_with("takes 4096"),
        "{error}"
    );
}
