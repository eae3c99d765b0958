//! Valid documents that oci-spec 0.10 refuses or misreads, put right. Parent side.

use oci_spec::runtime::Spec;
use serde_json::Value;

use crate::capabilities;

const SETS: [&str; 5] = ["bounding", "effective", "inheritable", "permitted", "ambient"];

/// Rewrites what oci-spec refuses though the specification allows it; says whether there was anything.
pub(crate) fn document(document: &mut Value, warnings: &mut Vec<String>) -> bool {
    let mut changed = drop_nulls(document);
    for set in SETS {
        if let Some(Value::Array(names)) = document.pointer_mut(&format!("/process/capabilities/{set}")) {
            changed |= drop_unknown(set, names, warnings);
        }
    }
    changed | clamp_hugepages(document.pointer_mut("/linux/resources/hugepageLimits"))
}

/// The same for resources alone.
pub(crate) fn resources(document: &mut Value) {
    drop_nulls(document);
    clamp_hugepages(document.get_mut("hugepageLimits"));
    if document.get("pids").is_some_and(|pids| pids.is_object() && pids.get("limit").is_none()) {
        document.as_object_mut().map(|blocks| blocks.remove("pids"));
    }
}

fn clamp_hugepages(limits: Option<&mut Value>) -> bool {
    let limits = limits.and_then(Value::as_array_mut).into_iter().flatten();
    limits.filter_map(|entry| entry.get_mut("limit")).fold(false, |changed, limit| clamp(limit) | changed)
}

/// runc reads a null like an absent field; oci-spec only where the field is optional to it.
fn drop_nulls(value: &mut Value) -> bool {
    match value {
        Value::Object(fields) => {
            let before = fields.len();
            fields.retain(|_, field| !field.is_null());
            let dropped = fields.len() != before;
            fields.values_mut().fold(dropped, |changed, field| drop_nulls(field) | changed)
        }
        Value::Array(items) => items.iter_mut().fold(false, |changed, item| drop_nulls(item) | changed),
        _ => false,
    }
}

/// The specification wants a warning, not an error, for a capability that cannot be granted; a name that only newer
/// kernels know is one of these.
fn drop_unknown(set: &str, names: &mut Vec<Value>, warnings: &mut Vec<String>) -> bool {
    let before = names.len();
    names.retain(|name| {
        let Some(name) = name.as_str() else { return true };
        let known = capabilities::number(name).is_some();
        if !known {
            warnings.push(format!("process.capabilities.{set}: unknown capability {name} is ignored"));
        }
        known
    });
    names.len() != before
}

/// The limit is unsigned in the specification and signed in oci-spec; all these values mean "no limit" to the kernel.
fn clamp(limit: &mut Value) -> bool {
    let huge = limit.as_u64().is_some_and(|value| i64::try_from(value).is_err());
    if huge {
        *limit = Value::from(i64::MAX);
    }
    huge
}

/// `pids: {}` asks for nothing, but reads as a limit of 0.
pub(crate) fn missing_pids_limit(spec: &mut Spec, json: &[u8]) {
    let resources = spec.linux_mut().as_mut().and_then(|linux| linux.resources_mut().as_mut());
    let Some(resources) = resources.filter(|found| found.pids().is_some_and(|pids| pids.limit() == 0)) else { return };
    let document: Option<Value> = serde_json::from_slice(json).ok();
    let limit = document.as_ref().and_then(|value| value.pointer("/linux/resources/pids/limit"));
    if limit.is_none_or(Value::is_null) {
        resources.set_pids(None);
    }
}
