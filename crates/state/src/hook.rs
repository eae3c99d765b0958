//! Hooks that commands after `create` need, as the record keeps them: a later edit of config.json has no effect on them.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The hooks that run after `create`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HookRecords {
    /// For `start`.
    pub poststart: Vec<HookRecord>,
    /// For `delete`.
    pub poststop: Vec<HookRecord>,
}

/// One hook. Its place in the list is its place in config.json.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HookRecord {
    /// Absolute.
    pub path: PathBuf,
    /// With `args[0]`.
    pub args: Vec<String>,
    /// The whole environment; `None`: the runtime's.
    pub env: Option<Vec<String>>,
    /// Seconds, at least 1; `None`: no limit.
    pub timeout: Option<u32>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn an_absent_environment_is_no_empty_one() {
        let hook = |env| HookRecord { path: "/a".into(), args: vec!["a".into()], env, timeout: Some(1) };
        let records = HookRecords { poststart: vec![hook(None)], poststop: vec![hook(Some(vec![]))] };
        let text = serde_json::to_string(&records).unwrap();
        assert_eq!(serde_json::from_str::<HookRecords>(&text).unwrap(), records);
    }

    #[test]
    fn a_record_without_hooks_has_none() {
        assert_eq!(serde_json::from_str::<HookRecords>("{}").unwrap(), HookRecords::default());
    }
}
