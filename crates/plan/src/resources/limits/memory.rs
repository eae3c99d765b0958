//! `linux.resources.memory`.

use super::INFINITY;
use crate::Error;
use crate::resources::properties::Properties;
use crate::resources::writes::{Value, Writes};
use oci_spec::runtime::LinuxMemory;

pub(in crate::resources) const LIMIT: &str = "linux.resources.memory.limit";
pub(in crate::resources) const SWAP: &str = "linux.resources.memory.swap";
const RESERVATION: &str = "linux.resources.memory.reservation";
const SWAPPINESS: &str = "linux.resources.memory.swappiness";
const NO_OOM_KILLER: &str = "linux.resources.memory.disableOOMKiller";

/// A byte count of the specification: 0 asks for nothing, -1 for no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::resources) enum Bytes {
    Unlimited,
    Limit(u64),
}

impl Bytes {
    pub(in crate::resources) fn read(field: &str, value: Option<i64>) -> Result<Option<Bytes>, Error> {
        match value {
            None | Some(0) => Ok(None),
            Some(-1) => Ok(Some(Bytes::Unlimited)),
            Some(value) => match u64::try_from(value) {
                Ok(bytes) => Ok(Some(Bytes::Limit(bytes))),
                Err(_) => Err(Error::invalid(field, format!("{value}: neither a size nor -1 for unlimited"))),
            },
        }
    }

    /// As the files of the version spell it.
    fn text(self, v1: bool) -> String {
        match self {
            Bytes::Limit(bytes) => bytes.to_string(),
            Bytes::Unlimited => if v1 { "-1" } else { "max" }.to_owned(),
        }
    }

    /// As config.json spells it.
    fn asked(self) -> String {
        self.text(true)
    }

    pub(in crate::resources) fn number(self) -> u64 {
        match self {
            Bytes::Limit(bytes) => bytes,
            Bytes::Unlimited => INFINITY,
        }
    }
}

/// `kernel`, `kernelTCP` and `useHierarchy` are ignored on both versions, as runc does: the kernel gave up the first
/// two in 5.4 and 6.x, and every hierarchy is hierarchical.
pub(super) fn convert(memory: &LinuxMemory, writes: &mut Writes<'_>) -> Result<(), Error> {
    let v1 = writes.v1();
    let limit = Bytes::read(LIMIT, memory.limit())?;
    let swap = Bytes::read(SWAP, memory.swap())?;
    let reservation = Bytes::read(RESERVATION, memory.reservation())?;
    let mut push = |field, file, value: Bytes, asked: Bytes| {
        let unlimited = value == Bytes::Unlimited || (!v1 && value == Bytes::Limit(0));
        writes.push(Value::new("memory", file, value.text(v1), (field, asked.asked())).unlimited(unlimited))
    };
    if let Some(limit) = limit {
        push(LIMIT, if v1 { "memory.limit_in_bytes" } else { "memory.max" }, limit, limit)?;
    }
    if let Some((value, asked)) = swap_limit(limit, swap, v1)? {
        push(SWAP, if v1 { "memory.memsw.limit_in_bytes" } else { "memory.swap.max" }, value, asked)?;
    }
    if let Some(reservation) = reservation {
        push(RESERVATION, if v1 { "memory.soft_limit_in_bytes" } else { "memory.low" }, reservation, reservation)?;
    }
    if v1 { v1_only(memory, writes) } else { Ok(()) }
}

/// The specification's swap is memory plus swap; version 2 limits swap alone. Returns the file's value and what was
/// asked for. A swap limit of 0 counts as unlimited in the sense that a kernel without swap accounting may lack the
/// file, as runc has it.
fn swap_limit(limit: Option<Bytes>, swap: Option<Bytes>, v1: bool) -> Result<Option<(Bytes, Bytes)>, Error> {
    let invalid = |swap: u64, why| Err(Error::invalid(SWAP, format!("{swap}: {why}")));
    match (limit, swap) {
        // Unlimited memory and nothing said of swap: both unlimited, as on version 1.
        (Some(Bytes::Unlimited), None) => Ok(Some((Bytes::Unlimited, Bytes::Unlimited))),
        (_, None) => Ok(None),
        (_, Some(Bytes::Unlimited)) => Ok(Some((Bytes::Unlimited, Bytes::Unlimited))),
        (Some(Bytes::Unlimited), Some(swap)) => Ok(Some((swap, swap))),
        (None, Some(Bytes::Limit(swap))) => invalid(swap, "memory.swap needs memory.limit, since it counts both"),
        (Some(Bytes::Limit(limit)), Some(Bytes::Limit(swap))) => {
            if swap < limit {
                return invalid(swap, "memory.swap counts memory and swap, so it cannot be less than memory.limit");
            }
            let value = if v1 { swap } else { swap - limit };
            Ok(Some((Bytes::Limit(value), Bytes::Limit(swap))))
        }
    }
}

fn v1_only(memory: &LinuxMemory, writes: &mut Writes<'_>) -> Result<(), Error> {
    if let Some(swappiness) = memory.swappiness() {
        if swappiness > 100 {
            return Err(Error::invalid(SWAPPINESS, format!("{swappiness}: not within 0 and 100")));
        }
        writes.push(Value::number("memory", "memory.swappiness", swappiness, SWAPPINESS))?;
    }
    match memory.disable_oom_killer() {
        Some(true) => writes.push(Value::new("memory", "memory.oom_control", "1", (NO_OOM_KILLER, "true".to_owned()))),
        _ => Ok(()),
    }
}

pub(super) fn properties(memory: &LinuxMemory, properties: &mut Properties) -> Result<(), Error> {
    let limit = Bytes::read(LIMIT, memory.limit())?;
    if let Some(limit) = limit {
        properties.number(if properties.v1() { "MemoryLimit" } else { "MemoryMax" }, limit.number(), &[LIMIT]);
    }
    if properties.v1() {
        return Ok(());
    }
    if let Some(reservation) = Bytes::read(RESERVATION, memory.reservation())? {
        properties.number("MemoryLow", reservation.number(), &[RESERVATION]);
    }
    if let Some((swap, _)) = swap_limit(limit, Bytes::read(SWAP, memory.swap())?, false)? {
        properties.number("MemorySwapMax", swap.number(), &[LIMIT, SWAP]);
    }
    Ok(())
}
