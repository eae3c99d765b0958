//! Annotations `org.systemd.property.NAME`: properties of the unit that only the caller can want. Parent side, pure.

use super::gvariant;
use crate::{Error, UnitProperty, Variant};
use std::collections::HashMap;

const PREFIX: &str = "org.systemd.property.";
/// With these the runtime says what the unit is.
const OURS: [&str; 2] = ["Slice", "PIDs"];

/// In the order of their names.
pub(super) fn properties(annotations: Option<&HashMap<String, String>>) -> Result<Vec<UnitProperty>, Error> {
    let ours = annotations.into_iter().flatten().filter_map(|(key, text)| Some((key.strip_prefix(PREFIX)?, text)));
    let mut ours: Vec<(&str, &String)> = ours.collect();
    ours.sort_unstable();
    ours.into_iter().map(|(name, text)| property(name, text)).collect()
}

fn property(name: &str, text: &str) -> Result<UnitProperty, Error> {
    let invalid = |why: String| Error::invalid(format!("annotations.{PREFIX}{name}"), why);
    if name.len() < 3 || !name.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return Err(invalid("a property's name has three letters at least, and nothing else".to_owned()));
    }
    if OURS.contains(&name) {
        return Err(invalid("is decided by linux.cgroupsPath and the runtime".to_owned()));
    }
    let value = gvariant::parse(text).map_err(|why| invalid(format!("{text:?}: {why}")))?;
    let (name, value) = match seconds(name) {
        Some(stem) => (format!("{stem}USec"), microseconds(&value).map_err(|why| invalid(format!("{text:?}: {why}")))?),
        None => (name.to_owned(), value),
    };
    Ok(UnitProperty { name, value, since: 0 })
}

/// The stem of a name as `TimeoutStopSec`, which a unit file has and D-Bus not: there it is `TimeoutStopUSec`.
fn seconds(name: &str) -> Option<&str> {
    name.strip_suffix("Sec").filter(|stem| stem.ends_with(|last: char| last.is_ascii_lowercase()))
}

fn microseconds(value: &Variant) -> Result<Variant, &'static str> {
    const SECOND: u64 = 1_000_000;
    let whole = |seconds: i64| u64::try_from(seconds).map_err(|_| "less than no time");
    let seconds = match value {
        Variant::Byte(number) => u64::from(*number),
        Variant::U16(number) => u64::from(*number),
        Variant::U32(number) => u64::from(*number),
        Variant::U64(number) => *number,
        Variant::I16(number) => whole((*number).into())?,
        Variant::I32(number) => whole((*number).into())?,
        Variant::I64(number) => whole(*number)?,
        Variant::Double(bits) => {
            let microseconds = f64::from_bits(*bits) * SECOND as f64;
            // Beyond it a float has no whole numbers, and nobody such a patience.
            return match (0.0..9e15).contains(&microseconds) {
                true => Ok(Variant::U64(microseconds as u64)),
                false => Err("no such time"),
            };
        }
        _ => return Err("no number of seconds"),
    };
    seconds.checked_mul(SECOND).map(Variant::U64).ok_or("more microseconds than there are")
}
