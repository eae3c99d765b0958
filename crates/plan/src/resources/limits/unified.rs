//! `linux.resources.unified`: files of version 2 by their names.

use super::{INFINITY, cpu, cpuset};
use crate::resources::properties::Properties;
use crate::resources::writes::{Value, Writes};
use crate::{Error, Variant};
use std::collections::{BTreeMap, HashMap};

const FIELD: &str = "linux.resources.unified";
/// With these the runtime itself moves, stops and kills the container.
const OURS: [&str; 5] = ["cgroup.procs", "cgroup.threads", "cgroup.freeze", "cgroup.kill", "cgroup.type"];

/// In the order of the names. The kernel takes one line a write.
pub(super) fn convert(files: &HashMap<String, String>, writes: &mut Writes<'_>) -> Result<(), Error> {
    if let Some((file, _)) = files.iter().next().filter(|_| writes.v1()) {
        return Err(Error::invalid(FIELD, format!("{file}: cgroup version 1 has no such files")));
    }
    if idle(files) {
        // With systemd the unit is idle before the files are written, and then the kernel takes no weight.
        writes.take_back("cpu.weight");
    }
    for (file, text) in files.iter().collect::<BTreeMap<_, _>>() {
        let controller = controller(file)?;
        let lines = if text.trim().is_empty() { vec!["\n"] } else { text.trim().lines().map(str::trim).collect() };
        for line in lines {
            let asked = (FIELD, format!("{file} = {}", line.trim()));
            writes.push(Value::new(controller.to_owned(), file.as_str(), line, asked))?;
        }
    }
    Ok(())
}

fn idle(files: &HashMap<String, String>) -> bool {
    files.get("cpu.idle").is_some_and(|value| value.trim() == "1")
}

/// The controller that owns the file. A name that leads elsewhere is refused before anything is opened.
fn controller(file: &str) -> Result<&str, Error> {
    let invalid = |why: &str| Err(Error::invalid(FIELD, format!("{file:?}: {why}")));
    if file.contains(['/', '\0']) {
        return invalid("must be a file name, without a slash");
    }
    if OURS.contains(&file) {
        return invalid("belongs to the runtime");
    }
    match file.split_once('.') {
        Some((controller, rest)) if !controller.is_empty() && !rest.is_empty() => Ok(controller),
        _ => invalid("must be of the form CONTROLLER.PARAMETER"),
    }
}

/// Those that systemd has a word for; the others it leaves alone.
pub(super) fn properties(files: &HashMap<String, String>, properties: &mut Properties) -> Result<(), Error> {
    let idle = idle(files);
    for (file, text) in files.iter().collect::<BTreeMap<_, _>>() {
        let text = text.trim();
        match file.as_str() {
            "cpu.idle" if idle => cpu::idle(properties, &[]),
            "cpu.idle" => properties.number("CPUWeight", INFINITY, &[]),
            "cpu.weight" if !idle => properties.number("CPUWeight", number(file, text)?, &[]),
            "cpu.max" => bandwidth(file, text, properties)?,
            "cpuset.cpus" | "cpuset.mems" if text.is_empty() => {}
            "cpuset.cpus" => properties.push("AllowedCPUs", cpuset::mask(&field(file), text)?, &[]),
            "cpuset.mems" => properties.push("AllowedMemoryNodes", cpuset::mask(&field(file), text)?, &[]),
            "memory.oom.group" => oom_policy(file, text, properties)?,
            "memory.zswap.max" => {
                properties.number("MemoryZSwapMax", limit(file, text)?, &[]);
                properties.since(253);
            }
            _ => {
                if let Some((_, name)) = LIMITS.iter().find(|(known, _)| known == file) {
                    properties.number(name, limit(file, text)?, &[]);
                }
            }
        }
    }
    Ok(())
}

const LIMITS: [(&str, &str); 6] = [
    ("memory.high", "MemoryHigh"),
    ("memory.low", "MemoryLow"),
    ("memory.max", "MemoryMax"),
    ("memory.min", "MemoryMin"),
    ("memory.swap.max", "MemorySwapMax"),
    ("pids.max", "TasksMax"),
];

fn field(file: &str) -> String {
    format!("{FIELD}.{file}")
}

fn number(file: &str, text: &str) -> Result<u64, Error> {
    text.parse().map_err(|_| Error::invalid(field(file), format!("{text:?}: no number, which systemd needs")))
}

/// The kernel's parser knows suffixes (memparse); so does whoever writes such a file.
fn limit(file: &str, text: &str) -> Result<u64, Error> {
    if text == "max" {
        return Ok(INFINITY);
    }
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text.strip_prefix(digits).unwrap_or_default() {
        "" => 0,
        "k" | "K" => 10,
        "m" | "M" => 20,
        "g" | "G" => 30,
        "t" | "T" => 40,
        _ => return number(file, text),
    };
    Ok(number(file, digits)?.saturating_mul(1 << shift))
}

/// `quota period`, or the first alone.
fn bandwidth(file: &str, text: &str, properties: &mut Properties) -> Result<(), Error> {
    let mut fields = text.split_whitespace();
    let quota = match fields.next() {
        None | Some("max") => None,
        Some(quota) => Some(number(file, quota)?),
    };
    let period = fields.next().map(|period| number(file, period)).transpose()?;
    cpu::bandwidth(quota, Some(period.unwrap_or(cpu::DEFAULT_PERIOD)), properties, &[]);
    Ok(())
}

fn oom_policy(file: &str, text: &str, properties: &mut Properties) -> Result<(), Error> {
    let policy = if number(file, text)? == 0 { "continue" } else { "kill" };
    properties.push("OOMPolicy", Variant::Text(policy.to_owned()), &[]);
    properties.since(253);
    properties.only_at_start();
    Ok(())
}
