//! x
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]
use oci_spec::runtime::LinuxSeccomp;
use skiff_plan::seccomp;
use skiff_seccomp_oracle::generate::{self, Actions, Dice};
use skiff_seccomp_oracle::oracle::Oracle;
use skiff_seccomp_oracle::questions::disagreements;
fn found(profile: &LinuxSeccomp) -> Vec<String> {
    let Ok(ours) = seccomp(profile, 0) else { return vec![] };
    let Ok(oracle) = Oracle::new(profile) else { return vec![] };
    disagreements(profile, &ours.compile().unwrap(), &oracle).1
}
#[test]
fn generated_profiles() {
    let from: usize = std::env::var("FROM").map_or(0, |v| v.parse().unwrap());
    let to: usize = std::env::var("TO").map_or(20, |v| v.parse().unwrap());
    let names = generate::names();
    let mut bad = 0;
    let mut refused = 0;
    let mut both = 0;
    let mut ours_refused = 0;
    for round in from..to {
        let actions = if round % 2 == 0 { Actions::Same } else { Actions::Mixed };
        let profile = generate::profile(&mut Dice::new(round as u64), &names, actions);
        if std::env::var("V").is_ok() {
            println!("round {round}");
        }
        let ours = seccomp(&profile, 0);
        let oracle = Oracle::new(&profile);
        match (&ours, &oracle) {
            (Ok(_), Err(e)) => {
                refused += 1;
                if refused < 5 {
                    let small = skiff_seccomp_oracle::shrink::shrink(&profile, &|p| Oracle::new(p).is_err());
                    println!("only libseccomp refuses {round}: {e} {}", serde_json::to_string(&small).unwrap());
                }
                continue;
            }
            (Err(_), Err(_)) => {
                both += 1;
                continue;
            }
            (Err(e), Ok(_)) => {
                ours_refused += 1;
                let small = skiff_seccomp_oracle::shrink::shrink(&profile, &|p| seccomp(p, 0).is_err() && Oracle::new(p).is_ok());
                println!("only we refuse {round}: {e} {}", serde_json::to_string(&small).unwrap());
                continue;
            }
            _ => {}
        }
        if !found(&profile).is_empty() {
            bad += 1;
            let small = skiff_seccomp_oracle::shrink::shrink(&profile, &|p| !found(p).is_empty());
            println!("round {round} {actions:?}\n{}\n{}", found(&small)[0], serde_json::to_string(&small).unwrap());
        }
    }
    println!("bad {bad} refused by libseccomp only {refused} both {both} us only {ours_refused}");
}
