//! What a container uses and has used, read from its cgroup. Parent side. What runc reports is here, in units of our
//! own; a controller, or a file of one, that this host does not have leaves its numbers at zero.

mod hugetlb;
mod pressure;
mod read;
pub(crate) mod v1;
pub(crate) mod v2;

pub use pressure::{Pressure, Stall};

use std::collections::BTreeMap;

/// The numbers of one cgroup and of those below it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stats {
    /// Processor time.
    pub cpu: Cpu,
    /// Where it may run; version 1 only.
    pub cpuset: Cpuset,
    /// Memory.
    pub memory: Memory,
    /// Processes and threads.
    pub pids: Pids,
    /// Block devices.
    pub io: Io,
    /// By page size, as `2MB`.
    pub hugetlb: BTreeMap<String, Usage>,
}

/// Processor time, nanoseconds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cpu {
    /// All of it.
    pub total: u64,
    /// In user mode; version 1 counts in ticks of ten milliseconds.
    pub user: u64,
    /// In the kernel; the same.
    pub kernel: u64,
    /// Of each processor; version 1 only, as the next two.
    pub per_cpu: Vec<u64>,
    /// The part in the kernel.
    pub per_cpu_kernel: Vec<u64>,
    /// The part in user mode.
    pub per_cpu_user: Vec<u64>,
    /// How many periods of its quota have begun.
    pub periods: u64,
    /// In how many of them it had to stop.
    pub throttled_periods: u64,
    /// For how long, nanoseconds.
    pub throttled: u64,
    /// Time lost for want of a processor.
    pub pressure: Option<Pressure>,
}

/// The files of the cpuset controller of version 1, by their names. Flags are 0 or 1.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "cpuset(7) has a paragraph on each")]
pub struct Cpuset {
    pub cpus: Vec<u16>,
    pub mems: Vec<u16>,
    pub cpu_exclusive: u64,
    pub mem_hardwall: u64,
    pub mem_exclusive: u64,
    pub memory_migrate: u64,
    pub memory_spread_page: u64,
    pub memory_spread_slab: u64,
    pub memory_pressure: u64,
    pub sched_load_balance: u64,
    pub sched_relax_domain_level: i64,
}

/// Bytes of memory.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Memory {
    /// Of files, shared memory among them.
    pub cache: u64,
    /// All but swap.
    pub usage: Usage,
    /// Memory and swap together, on version 2 too.
    pub swap: Usage,
    /// The kernel's; version 1 only, as the next.
    pub kernel: Usage,
    /// The kernel's for TCP buffers.
    pub kernel_tcp: Usage,
    /// `memory.stat`; not all are bytes.
    pub raw: BTreeMap<String, u64>,
    /// Time lost waiting for memory.
    pub pressure: Option<Pressure>,
}

/// Bytes of something that can be limited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// `u64::MAX`, or on version 1 nearly `i64::MAX`, where there is none.
    pub limit: u64,
    /// Now.
    pub usage: u64,
    /// The most that it ever was; 0 where the kernel does not say.
    pub max: u64,
    /// How often the limit was hit; version 1, and huge pages.
    pub failures: u64,
}

/// Processes and threads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pids {
    /// How many there are.
    pub current: u64,
    /// How many there may be; 0 for any number.
    pub limit: u64,
}

/// What went to and from block devices; on version 2 only the first two.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Io {
    /// Bytes.
    pub bytes: Vec<DeviceValue>,
    /// Requests.
    pub operations: Vec<DeviceValue>,
    /// Requests that wait now.
    pub queued: Vec<DeviceValue>,
    /// Nanoseconds between dispatch and completion.
    pub service_time: Vec<DeviceValue>,
    /// Nanoseconds in the scheduler's queues.
    pub wait_time: Vec<DeviceValue>,
    /// Requests that became part of others.
    pub merged: Vec<DeviceValue>,
    /// Milliseconds of the device.
    pub time: Vec<DeviceValue>,
    /// Sectors.
    pub sectors: Vec<DeviceValue>,
    /// Time lost waiting for devices.
    pub pressure: Option<Pressure>,
}

/// A number of one device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceValue {
    /// Major number.
    pub major: u64,
    /// Minor number.
    pub minor: u64,
    /// `Read`, `Write`, on version 1 also `Sync`, `Async`, `Discard` and `Total`; empty where the kernel does not tell them
    /// apart.
    pub op: String,
    /// The number.
    pub value: u64,
}
