//! `linux.resources.rdma`; the file is the same on both versions.

use crate::Error;
use crate::resources::writes::{Value, Writes};
use oci_spec::runtime::LinuxRdma;
use std::collections::{BTreeMap, HashMap};

const FIELD: &str = "linux.resources.rdma";

pub(super) fn convert(devices: &HashMap<String, LinuxRdma>, writes: &mut Writes<'_>) -> Result<(), Error> {
    for (device, limit) in devices.iter().collect::<BTreeMap<_, _>>() {
        if device.is_empty() || device.contains(|c: char| c.is_whitespace() || c == '\0') {
            return Err(Error::invalid(FIELD, format!("{device:?}: no name of a device")));
        }
        let handles = limit.hca_handles().map(|number| format!(" hca_handle={number}"));
        let objects = limit.hca_objects().map(|number| format!(" hca_object={number}"));
        if handles.is_none() && objects.is_none() {
            return Err(Error::invalid(FIELD, format!("{device}: neither hcaHandles nor hcaObjects")));
        }
        let value = format!("{device}{}{}", handles.unwrap_or_default(), objects.unwrap_or_default());
        writes.push(Value::new("rdma", "rdma.max", value.clone(), (FIELD, value)))?;
    }
    Ok(())
}
