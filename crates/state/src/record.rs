//! What skiff remembers of a container between two commands: the contents of `state.json`. Written by the parent
//! before the clone and once more when init is ready; every later command reads it instead of config.json.

use crate::HookRecords;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The `version` that this build writes. A reader refuses a greater one; fields that it does not know are ignored.
pub const RECORD_VERSION: u32 = 1;

/// One container, as the commands after `create` need it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// Format of this record, [`RECORD_VERSION`].
    pub version: u32,
    /// `ociVersion` of the bundle's config.json.
    pub oci_version: String,
    /// The container's id.
    pub id: String,
    /// The bundle directory, absolute.
    pub bundle: PathBuf,
    /// The root filesystem on the host, absolute.
    pub rootfs: PathBuf,
    /// When `create` was called: RFC 3339 with nanoseconds, UTC.
    pub created: String,
    /// `annotations` of config.json.
    pub annotations: BTreeMap<String, String>,
    /// Effective user id of the runtime that made the container.
    pub owner_uid: u32,
    /// Where the container's processes are accounted.
    pub cgroup: CgroupRecord,
    /// What update starts from: `skiff_plan::CgroupPlan::base`, which only update has to read.
    pub resources: String,
    /// `CLONE_NEW*` flags of the namespaces that are not the runtime's own.
    pub namespaces: u64,
    /// The container has a pid namespace of its own: all its processes die with init.
    pub new_pid_namespace: bool,
    /// What exec starts from: `skiff_plan::ExecBase` as text, which only exec has to read.
    pub exec: String,
    /// Hooks that run after create.
    pub hooks: HookRecords,
    /// The container's first process; `None` until it is ready, so a killed `create` leaves `None`.
    pub init: Option<Init>,
}

/// The container's first process. The start time tells it from a later process with the same pid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Init {
    /// Pid in the pid namespace of the runtime.
    pub pid: u32,
    /// Clock ticks after boot: field 22 of `/proc/PID/stat`, proc_pid_stat(5).
    pub start_time: u64,
}

/// The cgroup of a container, enough to find it again. It lies here so that the record is one type.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CgroupRecord {
    /// 0: none (`--cgroup-manager=disabled`); 1: version 1 or hybrid; 2: unified.
    pub version: u8,
    /// Controllers of the hierarchy (`memory`, `cpu,cpuacct`, `name=systemd`; empty for a cgroup2 tree) and the
    /// container's absolute directory in it.
    pub dirs: Vec<(String, PathBuf)>,
    /// The unit that systemd has made the directories for; absent with the cgroupfs driver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<UnitRecord>,
}

/// A transient unit of systemd, enough for later commands to stop and change it without `--systemd-cgroup`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UnitRecord {
    /// With its suffix, as `skiff-x.scope`.
    pub name: String,
    /// The user's manager knows it instead of the system's.
    pub user: bool,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn unknown_and_missing_fields_are_fine() {
        let record: Record = serde_json::from_str(r#"{"version":1,"id":"x","later":{"a":[1]}}"#).unwrap();
        assert_eq!(record.id, "x");
        assert_eq!(record.init, None);
        assert_eq!(record.cgroup, CgroupRecord::default());
    }

    #[test]
    fn survives_the_file() {
        for unit in [None, Some(UnitRecord { name: "skiff-x.scope".into(), user: true })] {
            let dirs = vec![("cpu,cpuacct".into(), "/sys/fs/cgroup/cpu/x".into())];
            let record = Record {
                version: RECORD_VERSION,
                id: "x".into(),
                cgroup: CgroupRecord { version: 1, dirs, unit },
                init: Some(Init { pid: 7, start_time: u64::MAX }),
                ..Record::default()
            };
            let text = serde_json::to_string(&record).unwrap();
            assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
            assert_eq!(text.contains("\"unit\""), record.cgroup.unit.is_some(), "{text}");
        }
    }
}
