//! Which namespaces the container gets. Parent side.

use oci_spec::runtime::{LinuxNamespace, LinuxNamespaceType, Spec};

/// The namespaces that `spec` lists.
pub(crate) fn listed(spec: &Spec) -> &[LinuxNamespace] {
    spec.linux().as_ref().and_then(|linux| linux.namespaces().as_deref()).unwrap_or_default()
}

/// Whether the container has a `kind` namespace other than the runtime's, be it new or joined.
pub(crate) fn has(spec: &Spec, kind: LinuxNamespaceType) -> bool {
    listed(spec).iter().any(|namespace| namespace.typ() == kind)
}

/// Whether the container gets a `kind` namespace of its own.
pub(crate) fn is_new(spec: &Spec, kind: LinuxNamespaceType) -> bool {
    listed(spec).iter().any(|namespace| namespace.typ() == kind && joined(namespace).is_none())
}

/// The type as config.json spells it.
pub(crate) fn name(kind: LinuxNamespaceType) -> &'static str {
    match kind {
        LinuxNamespaceType::Mount => "mount",
        LinuxNamespaceType::Cgroup => "cgroup",
        LinuxNamespaceType::Uts => "uts",
        LinuxNamespaceType::Ipc => "ipc",
        LinuxNamespaceType::User => "user",
        LinuxNamespaceType::Pid => "pid",
        LinuxNamespaceType::Network => "network",
        LinuxNamespaceType::Time => "time",
    }
}

/// The path of a namespace that the container joins; an empty path is none.
pub(crate) fn joined(namespace: &LinuxNamespace) -> Option<&std::path::Path> {
    namespace.path().as_deref().filter(|path| !path.as_os_str().is_empty())
}

/// `CLONE_NEW*` of the namespaces that the container gets for itself.
pub(crate) fn clone_flags(spec: &Spec) -> u64 {
    let new = listed(spec).iter().filter(|namespace| joined(namespace).is_none());
    new.fold(0, |flags, namespace| flags | clone_flag(namespace.typ()))
}

fn clone_flag(kind: LinuxNamespaceType) -> u64 {
    let flag = match kind {
        LinuxNamespaceType::Mount => libc::CLONE_NEWNS,
        LinuxNamespaceType::Cgroup => libc::CLONE_NEWCGROUP,
        LinuxNamespaceType::Uts => libc::CLONE_NEWUTS,
        LinuxNamespaceType::Ipc => libc::CLONE_NEWIPC,
        LinuxNamespaceType::User => libc::CLONE_NEWUSER,
        LinuxNamespaceType::Pid => libc::CLONE_NEWPID,
        LinuxNamespaceType::Network => libc::CLONE_NEWNET,
        LinuxNamespaceType::Time => libc::CLONE_NEWTIME,
    };
    u64::from(flag.unsigned_abs())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn every_type_has_its_flag_and_joined_ones_have_none() {
        for (name, kind, flag) in [
            ("mount", LinuxNamespaceType::Mount, 0x0002_0000),
            ("cgroup", LinuxNamespaceType::Cgroup, 0x0200_0000),
            ("uts", LinuxNamespaceType::Uts, 0x0400_0000),
            ("ipc", LinuxNamespaceType::Ipc, 0x0800_0000),
            ("user", LinuxNamespaceType::User, 0x1000_0000),
            ("pid", LinuxNamespaceType::Pid, 0x2000_0000),
            ("network", LinuxNamespaceType::Network, 0x4000_0000),
            ("time", LinuxNamespaceType::Time, 0x80),
        ] {
            for (path, new) in [("null", true), (r#""""#, true), (r#""/proc/1/ns/x""#, false)] {
                assert_eq!(super::name(kind), name);
                let json = format!(r#"{{"linux":{{"namespaces":[{{"type":"{name}","path":{path}}}]}}}}"#);
                let spec: Spec = serde_json::from_str(&json).unwrap();
                assert!(has(&spec, kind), "{json}");
                assert_eq!(is_new(&spec, kind), new, "{json}");
                assert_eq!(clone_flags(&spec), if new { flag } else { 0 }, "{json}");
            }
        }
    }
}
