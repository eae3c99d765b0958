//! Who the worker is on the host: nobody, or a user without root's rights itself. The monitor writes the maps.

use super::{Error, host};
use std::fs;

/// Its user and group in its own user namespace, and, where root starts it, on the host.
pub(super) const NOBODY: u32 = 65534;

/// Maps the one user and the one group of the worker's user namespace.
pub(super) fn map(pid: i32) -> Result<(), Error> {
    let (uid, gid) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
    let write = |file: &str, text: String| {
        fs::write(format!("/proc/{pid}/{file}"), text).map_err(|error| {
            host(&format!("write {file}"))(nix::errno::Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))
        })
    };
    let (uid, gid, privileged) = match (uid, other("uid_map"), other("gid_map")) {
        (0, Some(uid), Some(gid)) => (uid, gid, true),
        _ => (uid, gid, false),
    };
    if !privileged {
        // user_namespaces(7): without CAP_SETGID only so may a group be mapped.
        write("setgroups", "deny".into())?;
    }
    write("uid_map", format!("{NOBODY} {uid} 1"))?;
    write("gid_map", format!("{NOBODY} {gid} 1"))
}

/// An id that is not root's and that this user namespace has; `None`: it has one id only, which is the user's own.
fn other(map: &str) -> Option<u32> {
    pick(&fs::read_to_string(format!("/proc/self/{map}")).ok()?)
}

fn pick(map: &str) -> Option<u32> {
    let ranges = || {
        map.lines().filter_map(|line| {
            let mut words = line.split_whitespace().map(|word| word.parse::<u64>().ok());
            let (first, _, length) = (words.next()??, words.next()??, words.next()??);
            Some(first..first.saturating_add(length))
        })
    };
    let last = || ranges().map(|range| range.end.saturating_sub(1)).max().filter(|&last| last != 0);
    let id = if ranges().any(|range| range.contains(&u64::from(NOBODY))) { Some(u64::from(NOBODY)) } else { last() };
    id.and_then(|id| u32::try_from(id).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_where_there_is_one_and_never_root() {
        assert_eq!(pick("         0          0 4294967295\n"), Some(NOBODY));
        assert_eq!(pick("0 1000 1\n1 100000 65536\n"), Some(NOBODY));
        assert_eq!(pick("0 1000 1\n1 100000 1000\n"), Some(1000));
        assert_eq!(pick("0 1000 1\n"), None);
        assert_eq!(pick(""), None);
    }
}
