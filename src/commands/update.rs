//! `skiff update`: new limits for a container, from flags or as the specification's `linux.resources` in JSON. What is not named
//! stays.

use crate::Context;
use crate::bytes;
use anyhow::{Context as _, bail};
use oci_spec::runtime::{LinuxBlockIo, LinuxCpu, LinuxMemory, LinuxPids, LinuxResources};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// JSON file, or - for stdin; the other flags are ignored then
    #[arg(short, long, value_name = "FILE")]
    resources: Option<PathBuf>,
    #[command(flatten)]
    flags: Flags,
    /// The container's id
    id: String,
}

/// One limit each. Sizes take suffixes as in `512m`, and -1 for no limit.
#[derive(Debug, clap::Args)]
struct Flags {
    /// Weight of its block I/O, 10 to 1000
    #[arg(long, value_name = "WEIGHT")]
    blkio_weight: Option<u16>,
    /// Period of the processor limit, in microseconds
    #[arg(long, value_name = "US")]
    cpu_period: Option<u64>,
    /// Processor time in each period, in microseconds; -1 for no limit
    #[arg(long, value_name = "US", allow_hyphen_values = true)]
    cpu_quota: Option<i64>,
    /// What may be saved up of it, in microseconds
    #[arg(long, value_name = "US")]
    cpu_burst: Option<u64>,
    /// Relative share of the processors, 2 to 262144
    #[arg(long, value_name = "SHARES")]
    cpu_share: Option<u64>,
    /// Period of the realtime limit, in microseconds
    #[arg(long, value_name = "US")]
    cpu_rt_period: Option<u64>,
    /// Realtime in each period, in microseconds
    #[arg(long, value_name = "US", allow_hyphen_values = true)]
    cpu_rt_runtime: Option<i64>,
    /// 1: runs only when nobody else wants to
    #[arg(long, value_name = "0|1", allow_hyphen_values = true)]
    cpu_idle: Option<i64>,
    /// Processors, as in 0-2,7
    #[arg(long, value_name = "LIST")]
    cpuset_cpus: Option<String>,
    /// Memory nodes, as in 0-1
    #[arg(long, value_name = "LIST")]
    cpuset_mems: Option<String>,
    /// Memory
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true, value_parser = bytes::parse)]
    memory: Option<i64>,
    /// Memory that it keeps when others want more
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true, value_parser = bytes::parse)]
    memory_reservation: Option<i64>,
    /// Memory and swap together
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true, value_parser = bytes::parse)]
    memory_swap: Option<i64>,
    /// Processes; -1 for no limit
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pids_limit: Option<i64>,
    /// Accepted for compatibility
    #[arg(long, hide = true, allow_hyphen_values = true)]
    kernel_memory: Option<String>,
    /// Accepted for compatibility
    #[arg(long, hide = true, allow_hyphen_values = true)]
    kernel_memory_tcp: Option<String>,
    /// Not supported yet
    #[arg(long, hide = true)]
    l3_cache_schema: Option<String>,
    /// Not supported yet
    #[arg(long, hide = true)]
    mem_bw_schema: Option<String>,
}

/// Nothing named is nothing changed, as with runc. The container's limits are the new ones when this returns without an error,
/// and the old ones when it fails.
pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<()> {
    let change = match &args.resources {
        Some(file) => read(file)?,
        None => args.flags.resources()?,
    };
    let dir = context.store()?.open(&args.id)?;
    Ok(skiff_launch::update(&dir, &change)?)
}

fn read(file: &Path) -> anyhow::Result<LinuxResources> {
    let name = if file == Path::new("-") { Path::new("stdin") } else { file };
    let mut json = Vec::new();
    let read = if file == Path::new("-") {
        std::io::stdin().read_to_end(&mut json)
    } else {
        File::open(file).and_then(|mut file| file.read_to_end(&mut json))
    };
    read.with_context(|| format!("read --resources {}", name.display()))?;
    Ok(skiff_plan::read_resources(name, &json)?)
}

impl Flags {
    fn resources(&self) -> anyhow::Result<LinuxResources> {
        if self.l3_cache_schema.is_some() || self.mem_bw_schema.is_some() {
            bail!("--l3-cache-schema, --mem-bw-schema: Intel RDT is not supported yet");
        }
        let mut resources = LinuxResources::default();
        resources.set_devices(None);
        if let Some(weight) = self.blkio_weight {
            let mut io = LinuxBlockIo::default();
            io.set_weight(Some(weight));
            resources.set_block_io(Some(io));
        }
        if let Some(limit) = self.pids_limit {
            let mut pids = LinuxPids::default();
            pids.set_limit(limit);
            resources.set_pids(Some(pids));
        }
        resources.set_memory(self.memory()).set_cpu(self.cpu());
        Ok(resources)
    }

    fn memory(&self) -> Option<LinuxMemory> {
        let mut memory = LinuxMemory::default();
        memory.set_limit(self.memory).set_reservation(self.memory_reservation).set_swap(self.memory_swap);
        (memory != LinuxMemory::default()).then_some(memory)
    }

    fn cpu(&self) -> Option<LinuxCpu> {
        let mut cpu = LinuxCpu::default();
        cpu.set_shares(self.cpu_share).set_quota(self.cpu_quota).set_period(self.cpu_period).set_burst(self.cpu_burst);
        cpu.set_realtime_runtime(self.cpu_rt_runtime).set_realtime_period(self.cpu_rt_period).set_idle(self.cpu_idle);
        cpu.set_cpus(self.cpuset_cpus.clone()).set_mems(self.cpuset_mems.clone());
        (cpu != LinuxCpu::default()).then_some(cpu)
    }
}
