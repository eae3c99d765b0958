//! What the plan must know of the host, gathered once. Parent side.

use crate::Error;
use crate::error::Act;
use skiff_plan::{HostFacts, Needs};

/// Gathers the facts, those included that only some containers need.
///
/// # Errors
/// `/proc` is not mounted, or `/sys/fs/cgroup` holds something unknown.
pub fn host_facts(needs: Needs) -> Result<HostFacts, Error> {
    let status = skiff_sys::read_whole(None, "/proc/self/status").act(|| "read /proc/self/status".into())?;
    let status = String::from_utf8_lossy(&status);
    let (uids, gids) = (numbers(&status, "Uid"), numbers(&status, "Gid"));
    // Real, effective, saved, filesystem.
    let euid = uids.get(1).copied().unwrap_or_else(|| nix::unistd::geteuid().as_raw());
    Ok(HostFacts {
        euid,
        outer_uid: if needs.outer_uid { outer_uid(euid)? } else { euid },
        ids: single(&uids).zip(single(&gids)),
        groups: numbers(&status, "Groups"),
        bounding: mask(&status, "CapBnd"),
        permitted: mask(&status, "CapPrm"),
        ignored_signals: mask(&status, "SigIgn"),
        seccomp_flags: if needs.seccomp { skiff_sys::seccomp::flags() } else { 0 },
        cgroup: skiff_cgroup::facts(needs.controllers)?,
    })
}

/// Who `uid` is outside our user namespace.
fn outer_uid(uid: u32) -> Result<u32, Error> {
    let map = skiff_sys::read_whole(None, "/proc/self/uid_map").act(|| "read /proc/self/uid_map".into())?;
    Ok(mapped(&String::from_utf8_lossy(&map), uid))
}

/// `uid` by lines of `inside outside length`, user_namespaces(7); itself where no line speaks of it.
fn mapped(map: &str, uid: u32) -> u32 {
    let line = |line: &str| {
        let mut fields = line.split_whitespace().map_while(|field| field.parse::<u32>().ok());
        let (inside, outside, length) = (fields.next()?, fields.next()?, fields.next()?);
        let offset = uid.checked_sub(inside).filter(|offset| *offset < length)?;
        outside.checked_add(offset)
    };
    map.lines().find_map(line).unwrap_or(uid)
}

fn value<'a>(status: &'a str, key: &str) -> &'a str {
    status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).unwrap_or_default().trim()
}

fn numbers(status: &str, key: &str) -> Vec<u32> {
    value(status, key).split_whitespace().filter_map(|number| number.parse().ok()).collect()
}

/// The number that all are.
fn single(numbers: &[u32]) -> Option<u32> {
    let first = numbers.first()?;
    numbers.iter().all(|number| number == first).then_some(*first)
}

fn mask(status: &str, key: &str) -> u64 {
    u64::from_str_radix(value(status, key), 16).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_outside() {
        let rootless = "         0       1000          1\n         1     100000      65536\n";
        assert_eq!([0, 1, 65536, 65537].map(|uid| mapped(rootless, uid)), [1000, 100_000, 165_535, 65537]);
        assert_eq!(mapped("0 0 4294967295\n", 1000), 1000);
        assert_eq!(mapped("", 5), 5);
        assert_eq!(mapped("nonsense\n5 4294967295 9", 6), 6);
    }

    #[test]
    fn values_are_read_by_name() {
        let status = "Name:\tx\nUid:\t0\t0\t0\t0\nGid:\t5\t5\t6\t5\nGroups:\t1 22 \nSigIgn:\t0000000000001000\nCapPrm:\t000001ffffffffff\n";
        assert_eq!(mask(status, "SigIgn"), 0x1000);
        assert_eq!(mask(status, "CapPrm"), 0x1ff_ffff_ffff);
        assert_eq!(mask(status, "CapBnd"), 0);
        assert_eq!(numbers(status, "Groups"), [1, 22]);
        assert_eq!(single(&numbers(status, "Uid")), Some(0));
        assert_eq!(single(&numbers(status, "Gid")), None);
        assert_eq!(single(&numbers(status, "Gone")), None);
    }
}
