//! What the plan must know of the host, gathered once. Parent side.

use crate::Error;
use crate::error::Act;
use skiff_plan::HostFacts;

/// Gathers the facts.
///
/// # Errors
/// `/proc` is not mounted, or `/sys/fs/cgroup` holds something unknown.
pub fn host_facts() -> Result<HostFacts, Error> {
    let status = std::fs::read_to_string("/proc/self/status").act(|| "read /proc/self/status".into())?;
    Ok(HostFacts {
        euid: nix::unistd::geteuid().as_raw(),
        bounding: mask(&status, "CapBnd"),
        permitted: mask(&status, "CapPrm"),
        ignored_signals: mask(&status, "SigIgn"),
        cgroup: skiff_cgroup::facts()?,
    })
}

fn mask(status: &str, key: &str) -> u64 {
    let value = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    value.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_read_by_name() {
        let status = "Name:\tx\nSigIgn:\t0000000000001000\nCapPrm:\t000001ffffffffff\n";
        assert_eq!(mask(status, "SigIgn"), 0x1000);
        assert_eq!(mask(status, "CapPrm"), 0x1ff_ffff_ffff);
        assert_eq!(mask(status, "CapBnd"), 0);
    }
}
