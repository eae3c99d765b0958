//! The numbers of version 1 (`Documentation/admin-guide/cgroup-v1`), and what the unified hierarchy of a hybrid host
//! adds: pressure, and huge pages where their controller is there.

use super::read::{Files, device, of};
use super::{Cpu, Cpuset, DeviceValue, Io, Memory, Pids, Stats, Usage, hugetlb, pressure, v2};
use crate::Error;
use crate::files::Dir;

/// Nanoseconds of a tick in `cpuacct.stat`: `USER_HZ` is 100 on every architecture that skiff knows.
const TICK: u64 = 10_000_000;

/// `dir` gives the directory of a controller, and that in the unified hierarchy for the empty name.
pub(crate) fn read<'d>(dir: impl Fn(&str) -> Option<&'d Dir>) -> Result<Stats, Error> {
    let files = |controller| Files(dir(controller));
    let unified = files("");
    let hugetlb = match dir("hugetlb") {
        Some(own) => hugetlb::v1(Files(Some(own)))?,
        None => hugetlb::v2(unified)?,
    };
    Ok(Stats {
        cpu: Cpu { pressure: pressure::read(unified, "cpu.pressure")?, ..cpu(files("cpu"), files("cpuacct"))? },
        cpuset: cpuset(files("cpuset"))?,
        memory: Memory { pressure: pressure::read(unified, "memory.pressure")?, ..memory(files("memory"))? },
        pids: pids(files("pids"))?,
        io: Io { pressure: pressure::read(unified, "io.pressure")?, ..io(files("blkio"))? },
        hugetlb,
    })
}

fn cpu(cpu: Files<'_>, accounting: Files<'_>) -> Result<Cpu, Error> {
    let quota = cpu.table("cpu.stat")?;
    let ticks = accounting.table("cpuacct.stat")?;
    let (per_cpu_user, per_cpu_kernel) = modes(&accounting.text("cpuacct.usage_all")?.unwrap_or_default());
    let per_cpu = accounting.text("cpuacct.usage_percpu")?.unwrap_or_default();
    Ok(Cpu {
        total: accounting.value("cpuacct.usage")?,
        user: of(&ticks, "user").saturating_mul(TICK),
        kernel: of(&ticks, "system").saturating_mul(TICK),
        per_cpu: per_cpu.split_whitespace().filter_map(|value| value.parse().ok()).collect(),
        per_cpu_kernel,
        per_cpu_user,
        periods: of(&quota, "nr_periods"),
        throttled_periods: of(&quota, "nr_throttled"),
        throttled: of(&quota, "throttled_time"),
        pressure: None,
    })
}

/// The columns of user and system time below the heading `cpu user system`.
fn modes(text: &str) -> (Vec<u64>, Vec<u64>) {
    let row = |line: &str| {
        let mut fields = line.split(' ').skip(1).map(str::parse::<u64>);
        Some((fields.next()?.ok()?, fields.next()?.ok()?))
    };
    text.lines().filter_map(row).unzip()
}

fn cpuset(files: Files<'_>) -> Result<Cpuset, Error> {
    let flag = |name| files.value(&format!("cpuset.{name}"));
    let level = files.text("cpuset.sched_relax_domain_level")?;
    Ok(Cpuset {
        cpus: files.ranges("cpuset.cpus")?,
        mems: files.ranges("cpuset.mems")?,
        cpu_exclusive: flag("cpu_exclusive")?,
        mem_hardwall: flag("mem_hardwall")?,
        mem_exclusive: flag("mem_exclusive")?,
        memory_migrate: flag("memory_migrate")?,
        memory_spread_page: flag("memory_spread_page")?,
        memory_spread_slab: flag("memory_spread_slab")?,
        memory_pressure: flag("memory_pressure")?,
        sched_load_balance: flag("sched_load_balance")?,
        sched_relax_domain_level: level.and_then(|level| level.trim().parse().ok()).unwrap_or(0),
    })
}

fn memory(files: Files<'_>) -> Result<Memory, Error> {
    let raw = files.table("memory.stat")?;
    Ok(Memory {
        cache: of(&raw, "cache"),
        usage: usage(files, "memory")?,
        swap: usage(files, "memory.memsw")?,
        kernel: usage(files, "memory.kmem")?,
        kernel_tcp: usage(files, "memory.kmem.tcp")?,
        raw,
        pressure: None,
    })
}

fn usage(files: Files<'_>, prefix: &str) -> Result<Usage, Error> {
    let value = |name| files.value(&format!("{prefix}.{name}"));
    Ok(Usage {
        limit: value("limit_in_bytes")?,
        usage: value("usage_in_bytes")?,
        max: value("max_usage_in_bytes")?,
        failures: value("failcnt")?,
    })
}

fn pids(files: Files<'_>) -> Result<Pids, Error> {
    Ok(v2::pids(files)?.unwrap_or_default())
}

/// The schedulers count each on their own: the first counts that has anything to tell, bfq before all others.
fn io(files: Files<'_>) -> Result<Io, Error> {
    let sources =
        [("blkio.bfq", "_recursive"), ("blkio", "_recursive"), ("blkio.throttle", "_recursive"), ("blkio.throttle", "")];
    for (prefix, suffix) in sources {
        let values = |name| devices(files, &format!("{prefix}.{name}{suffix}"));
        let operations = values("io_serviced")?;
        if operations.is_empty() {
            continue;
        }
        return Ok(Io {
            bytes: values("io_service_bytes")?,
            operations,
            queued: values("io_queued")?,
            service_time: values("io_service_time")?,
            wait_time: values("io_wait_time")?,
            merged: values("io_merged")?,
            time: values("time")?,
            sectors: values("sectors")?,
            pressure: None,
        });
    }
    Ok(Io::default())
}

fn devices(files: Files<'_>, file: &str) -> Result<Vec<DeviceValue>, Error> {
    Ok(files.text(file)?.unwrap_or_default().lines().filter_map(device_value).collect())
}

/// `8:0 Read 4096` or `8:0 8`; the sum of all devices, `Total 4096`, is none.
fn device_value(line: &str) -> Option<DeviceValue> {
    let mut fields = line.split_whitespace();
    let (major, minor) = device(fields.next()?)?;
    let (op, value) = match (fields.next()?, fields.next()) {
        (op, Some(value)) => (op.to_owned(), value),
        (value, None) => (String::new(), value),
    };
    Some(DeviceValue { major, minor, op, value: value.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_each_processor() {
        assert_eq!(modes("cpu user system\n0 12 5\n1 7 0\n"), (vec![12, 7], vec![5, 0]));
        assert_eq!(modes(""), (vec![], vec![]));
    }

    #[test]
    fn lines_of_block_devices() {
        let value = |op: &str, value| Some(DeviceValue { major: 8, minor: 16, op: op.into(), value });
        assert_eq!(device_value("8:16 Write 4096"), value("Write", 4096));
        assert_eq!(device_value("8:16 6792"), value("", 6792));
        assert_eq!((device_value("Total 4096"), device_value("")), (None, None));
    }
}
