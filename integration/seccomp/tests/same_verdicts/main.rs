//! The same verdict from skiff's filter and from libseccomp's, for every call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

use std::collections::BTreeSet;

use libseccomp::{ScmpArch, ScmpSyscall};
use oci_spec::runtime::LinuxSeccomp;
use skiff_plan::{SeccompAction, seccomp};
use skiff_seccomp_oracle::generate::{self, Dice, Names};
use skiff_seccomp_oracle::oracle::{self, Oracle};
use skiff_seccomp_oracle::profiles;
use skiff_seccomp_oracle::questions::{Judge, objections};
use skiff_seccomp_oracle::reference::Reference;
use skiff_seccomp_oracle::shrink::shrink;

const ROUNDS: u64 = 400;

/// What Debian 12's libseccomp, 2.5.4, has not heard of and profiles name: calls of Linux 6.5 and later.
const UNKNOWN: &[&str] = &[
    "getxattrat",
    "listmount",
    "listxattrat",
    "lsm_get_self_attr",
    "lsm_list_modules",
    "lsm_set_self_attr",
    "mseal",
    "removexattrat",
    "riscv_hwprobe",
    "setxattrat",
    "statmount",
    "uretprobe",
];

/// `Err`: what the judge objects to, with the smallest profile that shows it.
fn judged(profile: &LinuxSeccomp, judge: &dyn Fn(&LinuxSeccomp) -> Option<Box<dyn Judge>>) -> Result<usize, String> {
    let objections = |profile: &LinuxSeccomp| {
        let (Ok(decided), Some(judge)) = (seccomp(profile, 0), judge(profile)) else { return Vec::new() };
        objections(profile, &decided.compile().unwrap(), &*judge)
    };
    let program = seccomp(profile, 0).map_err(|error| error.to_string())?.compile().map_err(|error| error.to_string())?;
    if objections(profile).is_empty() {
        return Ok(program.len());
    }
    let small = shrink(profile, &|smaller| !objections(smaller).is_empty());
    Err(format!("{}\n{}", objections(&small).join("\n"), serde_json::to_string_pretty(&small).unwrap()))
}

fn by_libseccomp(profile: &LinuxSeccomp) -> Option<Box<dyn Judge>> {
    Oracle::new(profile).ok().map(|oracle| Box::new(oracle) as Box<dyn Judge>)
}

fn by_reading(profile: &LinuxSeccomp) -> Option<Box<dyn Judge>> {
    Some(Box::new(Reference::new(profile)))
}

#[test]
fn profiles_of_clients() {
    let mut profiles = profiles::fixtures();
    assert!(profiles.len() >= 12, "{} fixtures with a profile", profiles.len());
    for (name, capabilities) in [("no capability", &[][..]), ("CAP_SYS_ADMIN", &["CAP_SYS_ADMIN"]), ("CAP_BPF", &["CAP_BPF"])] {
        let packaged = profiles::packaged(capabilities).expect("install golang-github-containers-common");
        profiles.push((format!("podman's packaged profile with {name}"), packaged));
    }
    let mut unknown = BTreeSet::new();
    for (name, profile) in profiles {
        let (profile, strange) = profiles::known(&profile);
        unknown.extend(strange);
        let ours = judged(&profile, &by_libseccomp).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
        let theirs = Oracle::new(&profile).unwrap().program.len();
        println!("{name}: {ours} instructions, libseccomp {theirs}");
        assert!(ours * 2 < theirs, "{name}: {ours} instructions, libseccomp {theirs}");
        judged(&profile, &by_reading).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
    }
    let more: Vec<_> = unknown.iter().filter(|name| !UNKNOWN.contains(&name.as_str())).collect();
    assert!(more.is_empty(), "left out of the comparison: {more:?}");
}

#[test]
fn generated_profiles() {
    let names = Names::new();
    let mut compared = 0;
    for round in 0..ROUNDS {
        let profile = generate::orderly(&mut Dice::new(round), &names);
        let Ok(_) = oracle::filter(&profile) else { continue };
        judged(&profile, &by_libseccomp).unwrap_or_else(|wrong| panic!("round {round}: {wrong}"));
        compared += 1;
    }
    assert!(compared > ROUNDS * 3 / 4, "{compared} of {ROUNDS} are profiles that libseccomp takes");
}

/// Those with rules that libseccomp mistakes: ours must do what they say, and refuse none that it takes.
#[test]
fn wild_profiles() {
    let names = Names::new();
    let only_ours = |profile: &LinuxSeccomp| seccomp(profile, 0).is_err() && oracle::filter(profile).is_ok();
    for round in 0..ROUNDS {
        let profile = generate::wild(&mut Dice::new(round), &names, round % 2 == 0);
        match seccomp(&profile, 0) {
            Ok(_) => drop(judged(&profile, &by_reading).unwrap_or_else(|wrong| panic!("round {round}: {wrong}"))),
            Err(ours) if only_ours(&profile) => {
                let small = serde_json::to_string_pretty(&shrink(&profile, &only_ours)).unwrap();
                panic!("round {round}: libseccomp takes it: {ours}\n{small}");
            }
            Err(_) => {}
        }
    }
}

/// The numbers of all calls that either side knows.
#[test]
fn names_and_numbers() {
    let mut names = generate::all_names();
    names.extend(UNKNOWN.iter().map(|&name| name.to_owned()));
    for name in &names {
        let numbers = numbers(name);
        for (arch, audit, bit) in
            [(ScmpArch::X8664, oracle::X86_64, false), (ScmpArch::X32, oracle::X86_64, true), (ScmpArch::X86, oracle::X86, false)]
        {
            let ours: Vec<u32> = numbers
                .iter()
                .filter(|(arch, number)| *arch == audit && (audit == oracle::X86 || (number & oracle::X32_BIT != 0) == bit))
                .map(|(_, number)| *number)
                .collect();
            let call = ScmpSyscall::from_name_by_arch(name, arch).map(ScmpSyscall::as_raw_syscall);
            let Ok(call) = call else {
                assert!(UNKNOWN.contains(&name.as_str()), "libseccomp has no {name}");
                continue;
            };
            match u32::try_from(call) {
                Ok(number) => assert_eq!(ours, [number], "{name} on {arch:?}"),
                // Through socketcall or ipc, and perhaps by a number of its own.
                Err(_) if arch == ScmpArch::X86 && call > -300 => assert!(!ours.is_empty(), "{name} on {arch:?}"),
                Err(_) => assert_eq!(ours, [0; 0], "{name} on {arch:?}"),
            }
        }
    }
}

/// Architecture and number of every call that a rule for `name` decides.
fn numbers(name: &str) -> Vec<(u32, u32)> {
    let profile = serde_json::json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": [{ "names": [name], "action": "SCMP_ACT_TRAP" }],
    });
    let decided = seccomp(&serde_json::from_value(profile).unwrap(), 0).unwrap();
    let tables = decided.tables.into_iter();
    let ranges = tables.flat_map(|table| table.ranges.into_iter().map(move |range| (table.audit_arch, range)));
    let decided = ranges.filter(|(_, range)| {
        range.outcome.otherwise == SeccompAction::Trap
            || range.outcome.rules.iter().any(|rule| rule.action == SeccompAction::Trap)
    });
    decided.map(|(arch, range)| (arch, range.first)).collect()
}
