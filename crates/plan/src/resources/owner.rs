//! Who owns the container's cgroup (runtime-spec, config-linux.md, "Cgroup ownership"). Parent side, pure.

use crate::{CgroupFacts, namespaces};
use oci_spec::runtime::{LinuxNamespaceType, Mount, Spec};
use std::path::Path;

/// The host's number of the container's user, where it gets the cgroup for itself: on version 2, with a user and a
/// cgroup namespace of its own, if it sees its cgroup writable. A user that nothing maps gets nothing.
pub(super) fn uid(spec: &Spec, facts: &CgroupFacts) -> Option<u32> {
    let new = |kind| namespaces::is_new(spec, kind);
    let asked = matches!(facts, CgroupFacts::V2 { .. }) && new(LinuxNamespaceType::User) && new(LinuxNamespaceType::Cgroup);
    if !asked || !spec.mounts().iter().flatten().any(is_writable_cgroup) {
        return None;
    }
    let uid = spec.process().as_ref()?.user().uid();
    spec.linux().as_ref()?.uid_mappings().iter().flatten().find_map(|map| {
        let offset = uid.checked_sub(map.container_id()).filter(|offset| *offset < map.size())?;
        map.host_id().checked_add(offset)
    })
}

fn is_writable_cgroup(mount: &Mount) -> bool {
    crate::mounts::destination(mount.destination()) == Path::new("/sys/fs/cgroup")
        && mount.source().as_deref() == Some(Path::new("cgroup"))
        && !mount.options().iter().flatten().any(|option| option == "ro")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::fixtures;

    fn owner(facts: &CgroupFacts, change: impl Fn(&mut serde_json::Value)) -> Option<u32> {
        let mut spec = serde_json::json!({
            "process": {"user": {"uid": 5}, "cwd": "/"},
            "mounts": [{"destination": "/sys/fs/cgroup/", "type": "cgroup", "source": "cgroup", "options": ["nosuid", "rw"]}],
            "linux": {
                "namespaces": [{"type": "user"}, {"type": "cgroup"}],
                "uidMappings": [{"containerID": 1, "hostID": 100_000, "size": 10}, {"containerID": 0, "hostID": 1000, "size": 1}],
            },
        });
        change(&mut spec);
        uid(&serde_json::from_value(spec).unwrap(), facts)
    }

    #[test]
    fn the_user_that_runs_there() {
        let v2 = fixtures::facts().cgroup;
        assert_eq!(owner(&v2, |_| ()), Some(100_004));
        assert_eq!(owner(&v2, |spec| spec["process"]["user"]["uid"] = 0.into()), Some(1000));
        assert_eq!(owner(&v2, |spec| spec["process"]["user"]["uid"] = 11.into()), None);
    }

    #[test]
    fn nobody_without_a_writable_cgroup_of_its_own() {
        let v2 = fixtures::facts().cgroup;
        assert_eq!(owner(&fixtures::hybrid().cgroup, |_| ()), None);
        assert_eq!(owner(&v2, |spec| spec["mounts"][0]["options"] = serde_json::json!(["ro"])), None);
        assert_eq!(owner(&v2, |spec| spec["mounts"][0]["destination"] = "/cgroup".into()), None);
        assert_eq!(owner(&v2, |spec| spec["mounts"] = serde_json::json!([])), None);
        for namespace in 0..2 {
            assert_eq!(owner(&v2, |spec| spec["linux"]["namespaces"][namespace]["path"] = "/proc/1/ns/x".into()), None);
        }
    }
}
