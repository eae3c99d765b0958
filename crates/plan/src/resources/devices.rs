//! The device rules of a container: deny everything, then `linux.resources.devices` in order, then what every
//! container may use. The last rule that speaks of an access decides it.

use crate::{DeviceKind, DeviceRule, Error};
use oci_spec::runtime::{LinuxDeviceCgroup, LinuxDeviceType, LinuxResources};

/// What runc appends (specconv, `AllowedDevices`), so that nobody can switch it off: making any node, and using
/// null, random, full, tty, zero, urandom, the pseudo terminals and ptmx. `linux.devices` gives nodes, not access:
/// clients add a rule for each of them.
const DEFAULTS: [(DeviceKind, Option<u32>, Option<u32>, &str); 10] = [
    (DeviceKind::Char, None, None, "m"),
    (DeviceKind::Block, None, None, "m"),
    (DeviceKind::Char, Some(1), Some(3), "rwm"),
    (DeviceKind::Char, Some(1), Some(8), "rwm"),
    (DeviceKind::Char, Some(1), Some(7), "rwm"),
    (DeviceKind::Char, Some(5), Some(0), "rwm"),
    (DeviceKind::Char, Some(1), Some(5), "rwm"),
    (DeviceKind::Char, Some(1), Some(9), "rwm"),
    (DeviceKind::Char, Some(136), None, "rwm"),
    (DeviceKind::Char, Some(5), Some(2), "rwm"),
];

/// The complete list.
pub(super) fn rules(resources: Option<&LinuxResources>) -> Result<Vec<DeviceRule>, Error> {
    let asked = resources.and_then(|resources| resources.devices().as_deref()).unwrap_or_default();
    let mut rules = vec![rule(false, DeviceKind::All, None, None, "rwm")];
    for (index, entry) in asked.iter().enumerate() {
        rules.push(convert(index, entry)?);
    }
    rules.extend(DEFAULTS.iter().map(|(kind, major, minor, access)| rule(true, *kind, *major, *minor, access)));
    Ok(rules)
}

fn rule(allow: bool, kind: DeviceKind, major: Option<u32>, minor: Option<u32>, access: &str) -> DeviceRule {
    let has = |letter| access.contains(letter);
    DeviceRule { allow, kind, major, minor, read: has('r'), write: has('w'), mknod: has('m') }
}

fn convert(index: usize, entry: &LinuxDeviceCgroup) -> Result<DeviceRule, Error> {
    let invalid = |name: &str, value: &str, why: &str| {
        Error::invalid(format!("linux.resources.devices[{index}].{name}"), format!("{value}: {why}"))
    };
    let kind = match entry.typ() {
        None | Some(LinuxDeviceType::A) => DeviceKind::All,
        Some(LinuxDeviceType::B) => DeviceKind::Block,
        Some(LinuxDeviceType::C) => DeviceKind::Char,
        Some(other) => return Err(invalid("type", other.as_str(), "a rule knows a, b and c only")),
    };
    let access = entry.access().as_deref().unwrap_or("");
    if access.is_empty() || access.chars().any(|letter| !"rwm".contains(letter)) {
        return Err(invalid("access", &format!("{access:?}"), "not made of the letters r, w and m"));
    }
    // runc reads a negative number as any; the kernel's device numbers are unsigned.
    let number = |name: &str, value: Option<i64>| match value {
        None | Some(-1) => Ok(None),
        Some(value) => u32::try_from(value).map(Some).map_err(|_| invalid(name, &value.to_string(), "no device number")),
    };
    let (major, minor) = (number("major", entry.major())?, number("minor", entry.minor())?);
    Ok(rule(entry.allow(), kind, major, minor, access))
}
