//! Makes a profile that two filters disagree on small enough to read.

use oci_spec::runtime::LinuxSeccomp;
use serde_json::Value;

/// Leaves out rules, names and conditions as long as `still` holds.
pub fn shrink(profile: &LinuxSeccomp, still: &dyn Fn(&LinuxSeccomp) -> bool) -> LinuxSeccomp {
    let mut best = serde_json::to_value(profile).unwrap();
    while let Some(smaller) = candidates(&best).into_iter().find(|candidate| parse(candidate).is_some_and(|it| still(&it))) {
        best = smaller;
    }
    serde_json::from_value(best).unwrap()
}

fn parse(candidate: &Value) -> Option<LinuxSeccomp> {
    serde_json::from_value(candidate.clone()).ok()
}

/// The profile with one thing less, each way, the coarse ones first.
fn candidates(profile: &Value) -> Vec<Value> {
    let mut all = without(profile, "/syscalls");
    for at in 0..profile["syscalls"].as_array().map_or(0, Vec::len) {
        all.extend(without(profile, &format!("/syscalls/{at}/names")));
        all.extend(without(profile, &format!("/syscalls/{at}/args")));
    }
    all.extend(without(profile, "/architectures"));
    all
}

/// `profile` with each half and each element of one list left out.
fn without(profile: &Value, list: &str) -> Vec<Value> {
    let Some(elements) = profile.pointer(list).and_then(Value::as_array) else { return Vec::new() };
    let count = elements.len();
    let halves = if count > 3 { vec![(0, count / 2), (count / 2, count)] } else { Vec::new() };
    let single = (0..count).map(|at| (at, at + 1));
    let cut = |(from, to)| {
        let mut smaller = profile.clone();
        if let Some(Value::Array(elements)) = smaller.pointer_mut(list) {
            elements.drain(from..to);
        }
        smaller
    };
    halves.into_iter().chain(single).map(cut).collect()
}
