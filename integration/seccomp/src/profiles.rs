//! Profiles that people use: those in `tests/fixtures`, as podman, docker and containerd wrote them, and podman's as
//! Debian packages it.

use std::path::{Path, PathBuf};

use oci_spec::runtime::{LinuxSeccomp, Spec};
use serde_json::{Value, json};

use crate::oracle::knows;

/// The profiles of the fixtures by file name.
pub fn fixtures() -> Vec<(String, LinuxSeccomp)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let json = paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    json.filter_map(|path| {
        let text = std::fs::read_to_string(path).unwrap();
        let spec: Spec = serde_json::from_str(&text).ok()?;
        let profile = spec.linux().as_ref()?.seccomp().clone()?;
        Some((path.file_name().unwrap().to_string_lossy().into_owned(), profile))
    })
    .collect()
}

/// Podman's packaged profile for a container with `capabilities`, as containers/common makes the OCI form of it;
/// `None` where the package golang-github-containers-common is not installed.
pub fn packaged(capabilities: &[&str]) -> Option<LinuxSeccomp> {
    let text = std::fs::read_to_string("/usr/share/containers/seccomp.json").ok()?;
    let profile: Value = serde_json::from_str(&text).unwrap();
    let rules: Vec<Value> = entries(&profile["syscalls"])
        .iter()
        .filter(|rule| applies(rule, capabilities))
        .map(|rule| {
            let mut entry = json!({ "names": rule["names"], "action": rule["action"] });
            for key in ["errnoRet", "args"] {
                if !rule[key].is_null() && !rule[key].as_array().is_some_and(Vec::is_empty) {
                    entry[key] = rule[key].clone();
                }
            }
            entry
        })
        .collect();
    let architectures = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"];
    let mut whole = json!({ "defaultAction": profile["defaultAction"], "architectures": architectures, "syscalls": rules });
    if !profile["defaultErrnoRet"].is_null() {
        whole["defaultErrnoRet"] = profile["defaultErrnoRet"].clone();
    }
    Some(serde_json::from_value(whole).unwrap())
}

fn entries(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}

fn applies(rule: &Value, capabilities: &[&str]) -> bool {
    let held = |name: &Value| capabilities.iter().any(|held| name == held);
    let here = |name: &Value| name == "amd64" || name == "x86_64";
    let all = |key: &str, pass: &dyn Fn(&Value) -> bool| entries(&rule["includes"][key]).iter().all(pass);
    let none = |key: &str, pass: &dyn Fn(&Value) -> bool| !entries(&rule["excludes"][key]).iter().any(pass);
    let arches = entries(&rule["includes"]["arches"]);
    all("caps", &held) && none("caps", &held) && (arches.is_empty() || arches.iter().any(here)) && none("arches", &here)
}

/// The profile without the calls that this libseccomp has not heard of, and their names.
pub fn known(profile: &LinuxSeccomp) -> (LinuxSeccomp, Vec<String>) {
    let mut unknown = Vec::new();
    let mut rules = profile.syscalls().clone().unwrap_or_default();
    for rule in &mut rules {
        let (names, strange): (Vec<String>, Vec<String>) = rule.names().iter().cloned().partition(|name| knows(name));
        rule.set_names(names);
        unknown.extend(strange);
    }
    let mut profile = profile.clone();
    profile.set_syscalls(Some(rules));
    (profile, unknown)
}
