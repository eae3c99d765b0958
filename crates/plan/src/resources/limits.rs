//! The limits of `linux.resources` as the values of the cgroup's files, and as properties of a unit of systemd: one file
//! here for each block of the specification. Parent side, pure. The specification speaks of version 1; the conversions to
//! version 2 are runc's, since clients count on them (docs/resources.md).

pub(super) mod cpu;
mod cpuset;
mod hugetlb;
mod io;
pub(super) mod memory;
mod network;
pub(super) mod pids;
mod rdma;
#[cfg(test)]
mod tests;
mod unified;

use super::properties::Properties;
use super::writes::Writes;
use crate::Error;
use oci_spec::runtime::LinuxResources;

/// What systemd and crates/plan take for "no limit" in an unsigned number.
const INFINITY: u64 = u64::MAX;

/// Every limit that `resources` asks for, in files. The unified map comes last: what it names is meant as it stands.
pub(super) fn convert(resources: &LinuxResources, writes: &mut Writes<'_>) -> Result<(), Error> {
    if let Some(memory) = resources.memory() {
        memory::convert(memory, writes)?;
    }
    if let Some(pids) = resources.pids() {
        pids::convert(pids, writes)?;
    }
    if let Some(cpu) = resources.cpu() {
        cpuset::convert(cpu, writes)?;
        cpu::convert(cpu, writes)?;
    }
    if let Some(io) = resources.block_io() {
        io::convert(io, writes)?;
    }
    hugetlb::convert(resources.hugepage_limits().as_deref().unwrap_or_default(), writes)?;
    if let Some(devices) = resources.rdma() {
        rdma::convert(devices, writes)?;
    }
    if let Some(network) = resources.network() {
        network::convert(network, writes)?;
    }
    resources.unified().as_ref().map_or(Ok(()), |files| unified::convert(files, writes))
}

/// The same for systemd, as far as it knows such limits: `hugepageLimits`, `rdma` and `network` it does not.
pub(super) fn properties(resources: &LinuxResources, properties: &mut Properties) -> Result<(), Error> {
    if let Some(memory) = resources.memory() {
        memory::properties(memory, properties)?;
    }
    if let Some(pids) = resources.pids() {
        pids::properties(pids, properties);
    }
    if let Some(cpu) = resources.cpu() {
        cpuset::properties(cpu, properties)?;
        cpu::properties(cpu, properties);
    }
    if let Some(io) = resources.block_io() {
        io::properties(io, properties);
    }
    resources.unified().as_ref().map_or(Ok(()), |files| unified::properties(files, properties))
}
