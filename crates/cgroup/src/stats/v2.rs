//! The numbers of version 2 (`Documentation/admin-guide/cgroup-v2.rst`).

use super::read::{Files, device, of};
use super::{Cpu, Cpuset, DeviceValue, Io, Memory, Pids, Stats, Usage, hugetlb, pressure};
use crate::Error;
use crate::files::Dir;
use crate::kill;

const MICROSECOND: u64 = 1000;

pub(crate) fn read(dir: &Dir) -> Result<Stats, Error> {
    let files = Files(Some(dir));
    Ok(Stats {
        cpu: cpu(files)?,
        // runc's are the flags of version 1; the masks of version 2 are not among them.
        cpuset: Cpuset::default(),
        memory: memory(files)?,
        pids: match pids(files)? {
            Some(pids) => pids,
            None => Pids { current: kill::pids(dir)?.len() as u64, limit: 0 },
        },
        io: io(files)?,
        hugetlb: hugetlb::v2(files)?,
    })
}

/// The file is there without the controller, then without its last three lines.
fn cpu(files: Files<'_>) -> Result<Cpu, Error> {
    let table = files.table("cpu.stat")?;
    let time = |key| of(&table, key).saturating_mul(MICROSECOND);
    Ok(Cpu {
        total: time("usage_usec"),
        user: time("user_usec"),
        kernel: time("system_usec"),
        periods: of(&table, "nr_periods"),
        throttled_periods: of(&table, "nr_throttled"),
        throttled: time("throttled_usec"),
        pressure: pressure::read(files, "cpu.pressure")?,
        ..Cpu::default()
    })
}

fn memory(files: Files<'_>) -> Result<Memory, Error> {
    let raw = files.table("memory.stat")?;
    let usage = usage(files, "memory")?;
    Ok(Memory {
        cache: of(&raw, "file"),
        usage,
        swap: with_swap(usage, self::usage(files, "memory.swap")?),
        raw,
        pressure: pressure::read(files, "memory.pressure")?,
        ..Memory::default()
    })
}

fn usage(files: Files<'_>, prefix: &str) -> Result<Usage, Error> {
    let value = |name| files.value(&format!("{prefix}.{name}"));
    // The peak: of memory since Linux 5.19, of swap since 6.5.
    Ok(Usage { limit: value("max")?, usage: value("current")?, max: value("peak")?, failures: 0 })
}

/// Version 1 counts memory and swap together, and so do those who read it. The two need not have peaked at one moment.
fn with_swap(memory: Usage, swap: Usage) -> Usage {
    Usage { limit: swap.limit.saturating_add(memory.limit), usage: swap.usage.saturating_add(memory.usage), ..Usage::default() }
}

/// `None` without the controller. The files have the same names on version 1.
pub(super) fn pids(files: Files<'_>) -> Result<Option<Pids>, Error> {
    let Some(current) = files.number("pids.current")? else { return Ok(None) };
    let limit = files.number("pids.max")?.filter(|limit| *limit != u64::MAX);
    Ok(Some(Pids { current, limit: limit.unwrap_or(0) }))
}

fn io(files: Files<'_>) -> Result<Io, Error> {
    let (bytes, operations) = devices(&files.text("io.stat")?.unwrap_or_default());
    Ok(Io { bytes, operations, pressure: pressure::read(files, "io.pressure")?, ..Io::default() })
}

/// Lines as `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6`. Some kernels put several devices on one line, those
/// without any numbers first.
fn devices(text: &str) -> (Vec<DeviceValue>, Vec<DeviceValue>) {
    let (mut bytes, mut operations) = (Vec::new(), Vec::new());
    let mut numbers = (0, 0);
    for word in text.split_whitespace() {
        let Some((key, value)) = word.split_once('=') else {
            numbers = device(word).unwrap_or(numbers);
            continue;
        };
        let (list, op) = match key {
            "rbytes" => (&mut bytes, "Read"),
            "wbytes" => (&mut bytes, "Write"),
            "rios" => (&mut operations, "Read"),
            "wios" => (&mut operations, "Write"),
            _ => continue,
        };
        if let Ok(value) = value.parse() {
            list.push(DeviceValue { major: numbers.0, minor: numbers.1, op: op.to_owned(), value });
        }
    }
    (bytes, operations)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_block_devices() {
        let (bytes, operations) = devices("7:0 8:0 rbytes=90 wbytes=0 rios=4 wios=1 dbytes=0 dios=0\n254:1 \n");
        let value = |op: &str, value| DeviceValue { major: 8, minor: 0, op: op.into(), value };
        assert_eq!(bytes, [value("Read", 90), value("Write", 0)]);
        assert_eq!(operations, [value("Read", 4), value("Write", 1)]);
    }

    #[test]
    fn memory_and_swap_are_one() {
        let memory = Usage { limit: 100, usage: 60, max: 90, failures: 0 };
        let both = |limit| with_swap(memory, Usage { limit, usage: 5, max: 7, failures: 0 });
        assert_eq!(both(50), Usage { limit: 150, usage: 65, max: 0, failures: 0 });
        assert_eq!(both(u64::MAX).limit, u64::MAX);
    }
}
