//! `linux.resources.cpu.cpus` and `mems`.

use crate::resources::properties::Properties;
use crate::resources::writes::{Value, Writes};
use crate::{Error, Variant};
use oci_spec::runtime::LinuxCpu;

const CPUS: &str = "linux.resources.cpu.cpus";
const MEMS: &str = "linux.resources.cpu.mems";
/// No kernel counts further (`CONFIG_NR_CPUS` ends at 8192); it bounds the mask.
const LAST: usize = 65_535;

/// The list as it stands: the kernel's own parser (`Documentation/admin-guide/kernel-parameters.rst`, "cpu lists")
/// knows more forms than one would want to repeat.
pub(super) fn convert(cpu: &LinuxCpu, writes: &mut Writes<'_>) -> Result<(), Error> {
    for (field, file, list) in [(CPUS, "cpuset.cpus", cpu.cpus()), (MEMS, "cpuset.mems", cpu.mems())] {
        if let Some(list) = list.as_ref().filter(|list| !list.is_empty()) {
            writes.push(Value::new("cpuset", file, list.clone(), (field, list.clone())))?;
        }
    }
    Ok(())
}

pub(super) fn properties(cpu: &LinuxCpu, properties: &mut Properties) -> Result<(), Error> {
    for (field, name, list) in [(&[CPUS], "AllowedCPUs", cpu.cpus()), (&[MEMS], "AllowedMemoryNodes", cpu.mems())] {
        if let Some(list) = list.as_ref().filter(|list| !list.is_empty()) {
            properties.push(name, mask(field[0], list)?, field);
        }
    }
    Ok(())
}

/// A list as `0-3,7` as systemd wants it: an array of bytes, bit n of byte m for number 8m+n.
pub(super) fn mask(field: &str, list: &str) -> Result<Variant, Error> {
    let invalid = || Error::invalid(field, format!("{list}: no list of numbers and ranges as 0-3,7, which systemd needs"));
    let mut bytes: Vec<u8> = Vec::new();
    for part in list.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| text.trim().parse::<usize>().ok().filter(|number| *number <= LAST).ok_or_else(invalid);
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return Err(invalid());
        }
        bytes.resize(bytes.len().max(last / 8 + 1), 0);
        for number in first..=last {
            if let Some(byte) = bytes.get_mut(number / 8) {
                *byte |= 1 << (number % 8);
            }
        }
    }
    Ok(Variant::Array("y".to_owned(), bytes.into_iter().map(Variant::Byte).collect()))
}
