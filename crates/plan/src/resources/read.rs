//! Reading the document that an update sends. Parent side, pure.

use crate::{Error, repair};
use oci_spec::runtime::LinuxResources;
use serde_json::Value;
use std::path::Path;

/// Every name of the blocks and their fields: clients written in Go may send any case, since Go's own reader does not mind.
const NAMES: &str = "access allow blockIO burst checkBeforeUpdate classID cpu cpus devices disableOOMKiller hcaHandles hcaObjects
    hugepageLimits idle kernel kernelTCP leafWeight limit major memory mems minor name network pageSize period pids priorities
    priority quota rate rdma realtimePeriod realtimeRuntime reservation shares swap swappiness throttleReadBpsDevice
    throttleReadIOPSDevice throttleWriteBpsDevice throttleWriteIOPSDevice type unified useHierarchy weight weightDevice";

/// The resources in the text `json` of `file`, which is for messages. What is missing, null or an empty block asks for
/// nothing.
///
/// # Errors
/// [`Error::Parse`] with the field where it is not a `LinuxResources` of the specification.
pub fn read(file: &Path, json: &[u8]) -> Result<LinuxResources, Error> {
    let parse = |field: String, source| Error::Parse { path: file.to_owned(), field, source };
    let mut document: Value = serde_json::from_slice(json).map_err(|error| parse(String::new(), error))?;
    if !document.is_object() {
        // serde would take a list for the fields in their order.
        return Err(parse(String::new(), serde::de::Error::custom("not an object of resources")));
    }
    rename(&mut document);
    repair::resources(&mut document);
    serde_path_to_error::deserialize(document).map_err(|error| {
        let field = error.path().to_string();
        parse(if field == "." { String::new() } else { field }, error.into_inner())
    })
}

/// Gives every name its own case. Below `unified` the names are data; `rdma`'s fields are looked at by nobody else.
fn rename(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, mut inner) in std::mem::take(fields) {
                let known = known(&name).map_or(name, str::to_owned);
                match known.as_str() {
                    "unified" => {}
                    "rdma" => inner.as_object_mut().into_iter().flat_map(|all| all.values_mut()).for_each(rename),
                    _ => rename(&mut inner),
                }
                fields.insert(known, inner);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(rename),
        _ => {}
    }
}

fn known(name: &str) -> Option<&'static str> {
    NAMES.split_whitespace().find(|known| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn text(json: &str) -> Result<String, String> {
        let resources = read(Path::new("r.json"), json.as_bytes()).map_err(|error| error.to_string())?;
        Ok(serde_json::to_value(resources).unwrap().to_string())
    }

    #[test]
    fn names_in_any_case_and_what_asks_for_nothing() {
        assert_eq!(
            text(r#"{"CPU":{"Cpus":"1"},"BlockIO":{"WEIGHT":10}}"#).unwrap(),
            r#"{"blockIO":{"weight":10},"cpu":{"cpus":"1"}}"#
        );
        let data = r#"{"rdma":{"Swap":{"HcaHandles":2}},"unified":{"Memory.High":"1"}}"#;
        assert_eq!(text(data).unwrap(), r#"{"rdma":{"Swap":{"hcaHandles":2}},"unified":{"Memory.High":"1"}}"#);
        let nothing = r#"{"memory":null,"cpu":{"quota":null},"pids":{},"unknown":{"x":1}}"#;
        assert_eq!(text(nothing).unwrap(), r#"{"cpu":{}}"#);
        assert_eq!(text(r#"{"pids":{"limit":null}}"#).unwrap(), "{}");
        let huge = r#"{"hugepageLimits":[{"Pagesize":"2MB","limit":18446744073709551615}]}"#;
        assert_eq!(text(huge).unwrap(), r#"{"hugepageLimits":[{"limit":9223372036854775807,"pageSize":"2MB"}]}"#);
    }

    #[test]
    fn errors_name_file_and_field() {
        let wrong = text(r#"{"memory":{"limit":"64m"}}"#).unwrap_err();
        assert!(wrong.starts_with("parse r.json: memory.limit: invalid type: string"), "{wrong}");
        for (json, expected) in
            [("not json", "parse r.json: expected ident"), ("[]", "parse r.json: not an object"), ("", "parse r.json: EOF")]
        {
            let wrong = text(json).unwrap_err();
            assert!(wrong.starts_with(expected), "{wrong}");
        }
    }
}
