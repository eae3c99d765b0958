//! `linux.resources.pids`.

use super::INFINITY;
use crate::Error;
use crate::resources::properties::Properties;
use crate::resources::writes::{Value, Writes};
use oci_spec::runtime::LinuxPids;

pub(in crate::resources) const LIMIT: &str = "linux.resources.pids.limit";

/// 0 leaves the file alone: `"pids": {}` reads as 0 too, and runc, but for its newest releases, takes 0 for "not set".
/// A new cgroup has no limit, so there 0 means none.
pub(super) fn convert(pids: &LinuxPids, writes: &mut Writes<'_>) -> Result<(), Error> {
    let (value, unlimited) = match pids.limit() {
        0 => return Ok(()),
        limit if limit < 0 => ("max".to_owned(), true),
        limit => (limit.to_string(), false),
    };
    writes.push(Value::new("pids", "pids.max", value, (LIMIT, pids.limit().to_string())).unlimited(unlimited))
}

pub(super) fn properties(pids: &LinuxPids, properties: &mut Properties) {
    if pids.limit() != 0 {
        properties.number("TasksMax", u64::try_from(pids.limit()).unwrap_or(INFINITY), &[LIMIT]);
    }
}
