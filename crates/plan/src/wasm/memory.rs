//! How much of a container's memory its module may have, so that it sees a failed grow and not the kernel's OOM killer. Parent
//! side, pure.

use oci_spec::runtime::{LinuxResources, Spec};

use super::units::whole;

const MIB: u64 = 1 << 20;
/// What an engine of the smallest module needs: 3.3 MB were seen at the peak, the kernel's share included.
const LEAST_SHARE: u64 = 4 * MIB;
/// Above a limit of 512 MiB the engine does not grow with the guest's memory any more.
const LARGEST_SHARE: u64 = 64 * MIB;

/// What a module may have of its container's `limit` where the engine needs `form` for the module itself, all in bytes.
///
/// The engine and the kernel's structures get an eighth besides, at least 4 MiB and at most 64 MiB, but never more than half.
#[must_use]
pub fn memory_for_guest(limit: u64, form: u64) -> u64 {
    let share = (limit / 8).clamp(LEAST_SHARE, LARGEST_SHARE).min(limit / 2);
    (limit - share).saturating_sub(form)
}

/// The container's limit, bytes; nothing where memory is unlimited.
pub(super) fn of_container(spec: &Spec) -> Option<u64> {
    limit(spec.linux().as_ref()?.resources().as_ref()?)
}

/// The raw file of version 2 counts more than `memory.limit`, since it is written last.
fn limit(resources: &LinuxResources) -> Option<u64> {
    match resources.unified().as_ref().and_then(|files| files.get("memory.max")) {
        Some(text) => whole(text.trim()),
        None => u64::try_from(resources.memory().as_ref()?.limit()?).ok(),
    }
    .filter(|limit| *limit > 0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn shares() {
        for (resources, expected) in [
            (r"{}", None),
            (r#"{"memory":{}}"#, None),
            (r#"{"memory":{"limit":-1}}"#, None),
            (r#"{"memory":{"limit":0}}"#, None),
            (r#"{"memory":{"limit":4194304}}"#, Some(2 * MIB)),
            (r#"{"memory":{"limit":8388608}}"#, Some(4 * MIB)),
            (r#"{"memory":{"limit":16777216}}"#, Some(12 * MIB)),
            (r#"{"memory":{"limit":67108864}}"#, Some(56 * MIB)),
            (r#"{"memory":{"limit":536870912}}"#, Some(448 * MIB)),
            (r#"{"memory":{"limit":1073741824}}"#, Some(960 * MIB)),
            (r#"{"memory":{"limit":9223372036854775807}}"#, Some(i64::MAX.unsigned_abs() - 64 * MIB)),
            (r#"{"memory":{"limit":67108864},"unified":{"memory.max":"max"}}"#, None),
            (r#"{"memory":{"limit":67108864},"unified":{"memory.max":"16777216"}}"#, Some(12 * MIB)),
            (r#"{"memory":{"limit":67108864},"unified":{"memory.high":"1"}}"#, Some(56 * MIB)),
        ] {
            let spec: Spec = serde_json::from_str(&format!(r#"{{"linux":{{"resources":{resources}}}}}"#)).unwrap();
            assert_eq!(of_container(&spec).map(|limit| memory_for_guest(limit, 0)), expected, "{resources}");
        }
        assert_eq!(of_container(&serde_json::from_str("{}").unwrap()), None);
        assert_eq!(memory_for_guest(64 * MIB, 30 * MIB), 26 * MIB);
        assert_eq!(memory_for_guest(16 * MIB, 30 * MIB), 0);
    }
}
