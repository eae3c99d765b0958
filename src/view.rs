//! A container as `state` and `list --format json` show it: the JSON that clients decode, field order as runc's.

use crate::owner;
use serde::Serialize;
use skiff_state::{Record, Status, Store};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// One container.
#[derive(Debug, Serialize)]
pub(crate) struct View {
    #[serde(rename = "ociVersion")]
    oci_version: String,
    pub(crate) id: String,
    /// 0 when there is no process (any more).
    pub(crate) pid: u32,
    pub(crate) status: &'static str,
    pub(crate) bundle: PathBuf,
    rootfs: PathBuf,
    pub(crate) created: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
    /// Empty in `state`, a user's name in `list`: so does runc.
    pub(crate) owner: String,
}

impl View {
    /// Asks the state directory, the process table and the cgroup. Also returns the owner's user id.
    pub(crate) fn of(store: &Store, id: &str) -> anyhow::Result<(View, u32)> {
        let dir = store.open(id)?;
        let (record, status) = skiff_launch::status(&dir)?;
        let owner_uid = record.owner_uid;
        Ok((View::new(record, status), owner_uid))
    }

    fn new(record: Record, status: Status) -> View {
        let init = record.init.filter(|_| status != Status::Stopped);
        View {
            oci_version: record.oci_version,
            id: record.id,
            pid: init.map_or(0, |init| init.pid),
            status: status.as_str(),
            bundle: record.bundle,
            rootfs: record.rootfs,
            created: record.created,
            annotations: record.annotations,
            owner: String::new(),
        }
    }

    /// With the owner's name.
    pub(crate) fn owned_by(self, uid: u32) -> View {
        View { owner: owner::name(uid), ..self }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::output::pretty;
    use skiff_state::Init;

    fn record() -> Record {
        Record {
            oci_version: "1.2.1".into(),
            id: "one".into(),
            bundle: "/tmp/bb".into(),
            rootfs: "/tmp/bb/rootfs".into(),
            created: "2026-11-20T09:56:44.473251349Z".into(),
            init: Some(Init { pid: 10693, start_time: 1 }),
            ..Record::default()
        }
    }

    #[test]
    fn as_runc_prints_state() {
        let state = |status| pretty(&View::new(record(), status), "  ").unwrap();
        assert_eq!(state(Status::Created), include_str!("../tests/fixtures/runc/state-created.json"));
        assert_eq!(state(Status::Stopped), include_str!("../tests/fixtures/runc/state-stopped.json"));
    }

    #[test]
    fn as_runc_prints_list() {
        let list = vec![View::new(record(), Status::Running).owned_by(0)];
        let golden = include_str!("../tests/fixtures/runc/list.json");
        assert_eq!(serde_json::to_string(&list).unwrap(), golden.trim_end());
    }

    #[test]
    fn annotations_stand_before_the_owner() {
        let mut record = record();
        record.annotations.insert("k".into(), "v".into());
        let text = serde_json::to_string(&View::new(record, Status::Paused)).unwrap();
        assert!(text.ends_with(r#""annotations":{"k":"v"},"owner":""}"#), "{text}");
    }
}
