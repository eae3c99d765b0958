//! The id maps of a new user namespace: written by us where we may, else by newuidmap and newgidmap. Parent side, between the
//! clone and `Placed`.

use crate::error::{Act, Error};
use nix::errno::Errno;
use nix::unistd::Pid;
use skiff_plan::{HostFacts, IdMap, IdMaps};
use std::process::Command;

const CAP_SETGID: u32 = 6;
const CAP_SETUID: u32 = 7;

/// One of the two maps.
struct Kind {
    file: &'static str,
    field: &'static str,
    helper: &'static str,
    capability: u32,
}

const UIDS: Kind = Kind { file: "uid_map", field: "linux.uidMappings", helper: "newuidmap", capability: CAP_SETUID };
const GIDS: Kind = Kind { file: "gid_map", field: "linux.gidMappings", helper: "newgidmap", capability: CAP_SETGID };

/// Writes both maps of the user namespace that `pid` has just made.
///
/// # Errors
/// The kernel or a helper refuses a map; a helper is missing where it is needed.
pub(crate) fn write(pid: Pid, maps: &IdMaps, facts: &HostFacts) -> Result<(), Error> {
    let egid = nix::unistd::getegid().as_raw();
    one(pid, &UIDS, &maps.uids, facts, facts.euid)?;
    one(pid, &GIDS, &maps.gids, facts, egid)
}

fn one(pid: Pid, kind: &Kind, maps: &[IdMap], facts: &HostFacts, own: u32) -> Result<(), Error> {
    if facts.permitted >> kind.capability & 1 == 1 {
        return put(pid, kind, maps);
    }
    if !matches!(maps, [map] if map.host == own && map.size == 1) {
        return help(pid, kind, maps);
    }
    if kind.capability == CAP_SETGID {
        // Without CAP_SETGID the kernel takes a map only from whoever gives up setgroups (CVE-2014-8989).
        std::fs::write(format!("/proc/{pid}/setgroups"), "deny").act(|| format!("{}: deny setgroups", kind.field))?;
    }
    put(pid, kind, maps)
}

fn put(pid: Pid, kind: &Kind, maps: &[IdMap]) -> Result<(), Error> {
    let lines: Vec<String> = maps.iter().map(|map| format!("{} {} {}", map.container, map.host, map.size)).collect();
    std::fs::write(format!("/proc/{pid}/{}", kind.file), lines.join("\n"))
        .act(|| format!("{}: write {}", kind.field, lines.join(", ")))
}

/// The set-user-ID programs of shadow write what `/etc/subuid` and `/etc/subgid` allow the user.
fn help(pid: Pid, kind: &Kind, maps: &[IdMap]) -> Result<(), Error> {
    let numbers = maps.iter().flat_map(|map| [map.container, map.host, map.size]).map(|number| number.to_string());
    let output = Command::new(kind.helper).arg(pid.to_string()).args(numbers).output();
    let output = output.act(|| format!("{}: run {}", kind.field, kind.helper))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::Call(format!("{}: {}: {said}", kind.field, kind.helper), Errno::EPERM))
}
