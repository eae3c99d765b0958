//! Which namespaces the container gets. Parent side.

use oci_spec::runtime::{LinuxIdMapping, LinuxNamespace, LinuxNamespaceType, LinuxTimeOffset, Spec};

use crate::{Error, IdMap, IdMaps, JoinNamespace, Namespaces};

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

/// All decisions about namespaces.
pub(crate) fn resolve(spec: &Spec) -> Result<Namespaces, Error> {
    let mut join: Vec<JoinNamespace> = listed(spec).iter().enumerate().filter_map(join_entry).collect();
    // What belongs to a user namespace can be entered only from inside it.
    join.sort_by_key(|join| join.flag != clone_flag(LinuxNamespaceType::User));
    let linux = spec.linux().as_ref();
    let maps = match is_new(spec, LinuxNamespaceType::User) {
        true => IdMaps {
            uids: maps(linux.and_then(|linux| linux.uid_mappings().as_deref())),
            gids: maps(linux.and_then(|linux| linux.gid_mappings().as_deref())),
        },
        // Those of a joined namespace are what they are.
        false => IdMaps::default(),
    };
    Ok(Namespaces { new: clone_flags(spec), join, maps, time_offsets: time_offsets(spec) })
}

fn join_entry((index, namespace): (usize, &LinuxNamespace)) -> Option<JoinNamespace> {
    let path = joined(namespace)?.to_owned();
    Some(JoinNamespace { index, flag: clone_flag(namespace.typ()), path })
}

fn maps(entries: Option<&[LinuxIdMapping]>) -> Vec<IdMap> {
    let map = |entry: &LinuxIdMapping| IdMap { container: entry.container_id(), host: entry.host_id(), size: entry.size() };
    entries.unwrap_or_default().iter().map(map).collect()
}

fn time_offsets(spec: &Spec) -> Vec<String> {
    let offsets = spec.linux().as_ref().and_then(|linux| linux.time_offsets().as_ref());
    let line = |(clock, offset): (&String, &LinuxTimeOffset)| {
        format!("{clock} {} {}", offset.secs().unwrap_or(0), offset.nanosecs().unwrap_or(0))
    };
    let mut lines: Vec<String> = offsets.into_iter().flatten().map(line).collect();
    lines.sort_unstable();
    lines
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
