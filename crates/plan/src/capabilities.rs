//! Capability names to bit masks. Parent side.

use std::collections::HashSet;

use oci_spec::runtime::{Capability, LinuxCapabilities};

use crate::{Capabilities, HostFacts};

/// In kernel order, so that the place is the number (`include/uapi/linux/capability.h`).
const NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// Every capability that this version knows, in kernel order: the place is the number (capabilities(7)).
pub fn capability_names() -> &'static [&'static str] {
    &NAMES
}

/// The number of `name`, with or without `CAP_`, in any case: the spellings that oci-spec takes.
pub(crate) fn number(name: &str) -> Option<usize> {
    let upper = name.to_uppercase();
    let mut bare = upper.as_str();
    while let Some(rest) = bare.strip_prefix("CAP_") {
        bare = rest;
    }
    NAMES.iter().position(|known| &known[4..] == bare)
}

/// The five sets, each cut down to what can be granted; what is cut goes to `warnings`, as the specification wants
/// (config.md, "Linux Process", `capabilities`).
pub(crate) fn resolve(asked: Option<&LinuxCapabilities>, facts: &HostFacts, warnings: &mut Vec<String>) -> Capabilities {
    let Some(asked) = asked else { return Capabilities::default() };
    let mut cut = |set: &str, names: &Option<HashSet<Capability>>, allowed: u64, why: &str| {
        let mask = mask(names.as_ref());
        warn(set, mask & !allowed, why, warnings);
        mask & allowed
    };
    const RUNTIME: &str = "the runtime does not have it";
    let owned = facts.bounding & facts.permitted;
    let bounding = cut("bounding", asked.bounding(), facts.bounding, RUNTIME);
    let permitted = cut("permitted", asked.permitted(), owned, RUNTIME);
    let inheritable = cut("inheritable", asked.inheritable(), owned, RUNTIME);
    let effective = cut("effective", asked.effective(), permitted, "it is not permitted");
    let ambient = cut("ambient", asked.ambient(), permitted & inheritable, "it is not permitted and inheritable");
    Capabilities { bounding, effective, permitted, inheritable, ambient }
}

fn mask(names: Option<&HashSet<Capability>>) -> u64 {
    let numbers = names.into_iter().flatten().filter_map(|capability| number(&capability.to_string()));
    numbers.fold(0, |mask, number| mask | 1 << number)
}

fn warn(set: &str, dropped: u64, why: &str, warnings: &mut Vec<String>) {
    let names = NAMES.iter().enumerate().filter(|(number, _)| dropped & (1 << number) != 0);
    warnings.extend(names.map(|(_, name)| format!("process.capabilities.{set}: {name} is ignored: {why}")));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::fixtures;

    fn resolved(json: &str, facts: &HostFacts) -> (Capabilities, Vec<String>) {
        let asked: LinuxCapabilities = serde_json::from_str(json).unwrap();
        let mut warnings = Vec::new();
        let sets = resolve(Some(&asked), facts, &mut warnings);
        (sets, warnings)
    }

    #[test]
    fn every_name_has_its_kernel_number() {
        for (at, name) in NAMES.iter().enumerate() {
            let kernel = name.parse::<caps::Capability>().unwrap();
            assert_eq!(usize::from(kernel.index()), at, "{name}");
            let json = format!(r#"{{"bounding":["{name}"]}}"#);
            assert_eq!(resolved(&json, &fixtures::facts()).0.bounding, 1 << at, "{name}");
            assert_eq!(number(&name[4..].to_lowercase()), Some(at), "{name}");
        }
        assert_eq!(caps::all().len(), NAMES.len());
        assert_eq!(number("CAP_NEW"), None);
        assert_eq!(number(""), None);
    }

    #[test]
    fn nothing_asked_is_nothing_granted() {
        let mut warnings = Vec::new();
        assert_eq!(resolve(None, &fixtures::facts(), &mut warnings), Capabilities::default());
        assert!(warnings.is_empty());
    }

    #[test]
    fn what_the_runtime_lacks_is_dropped_with_a_warning() {
        let facts = HostFacts { bounding: 1 << 5, permitted: 1 << 5 | 1 << 29, ..fixtures::facts() };
        let (sets, warnings) = resolved(
            r#"{"bounding":["CAP_KILL","CAP_BPF"],"permitted":["CAP_KILL","CAP_AUDIT_WRITE"],"effective":["CAP_KILL","CAP_AUDIT_WRITE"]}"#,
            &facts,
        );
        assert_eq!(sets, Capabilities { bounding: 1 << 5, permitted: 1 << 5, effective: 1 << 5, ..Default::default() });
        assert_eq!(
            warnings,
            [
                "process.capabilities.bounding: CAP_BPF is ignored: the runtime does not have it",
                "process.capabilities.permitted: CAP_AUDIT_WRITE is ignored: the runtime does not have it",
                "process.capabilities.effective: CAP_AUDIT_WRITE is ignored: it is not permitted",
            ]
        );
    }

    #[test]
    fn ambient_stays_within_permitted_and_inheritable() {
        let (sets, warnings) = resolved(
            r#"{"permitted":["CAP_KILL","CAP_CHOWN"],"inheritable":["CAP_KILL","CAP_BPF"],"ambient":["CAP_KILL","CAP_CHOWN","CAP_BPF"]}"#,
            &fixtures::facts(),
        );
        assert_eq!(sets.ambient, 1 << 5);
        assert_eq!(warnings.len(), 2);
        assert!(warnings.iter().all(|text| text.starts_with("process.capabilities.ambient: CAP_")), "{warnings:?}");
    }
}
