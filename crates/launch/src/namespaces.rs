//! How a process comes into its namespaces: those that exist already are entered by the parent around the clone, or, where
//! a user namespace is among them, by a process in between; new ones come with the clone. Parent side.

use crate::error::{Act, Error};
use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};
use skiff_cgroup::Cgroup;
use skiff_plan::Namespaces;
use skiff_sys::{CLONE_CLEAR_SIGHAND, Clone3, Cloned, clone3};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

const USER: u64 = libc::CLONE_NEWUSER as u64;
const MOUNT: u64 = libc::CLONE_NEWNS as u64;
const CGROUP: u64 = libc::CLONE_NEWCGROUP as u64;
const TIME: u64 = libc::CLONE_NEWTIME as u64;
/// What shows its maker's ids to its members (`/dev/mqueue`, `/sys/class/net`): made only when init has ids of its own.
const AFTER_MAPS: u64 = (libc::CLONE_NEWNET | libc::CLONE_NEWIPC) as u64;

/// What the clone leaves for init to do.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    /// init begins only when the parent has placed it in its cgroup, or has written its id maps.
    pub wait_placed: bool,
    /// The parent must place it.
    pub place: bool,
    /// Namespaces to enter, in this order.
    pub join: Vec<OwnedFd>,
    /// The process is one in between: it clones the one that is meant, with these flags.
    pub again: Option<u64>,
    /// A pid namespace is joined, so that others see it from its birth on.
    pub joined_pid: bool,
    /// Namespaces to unshare then.
    pub late: u64,
    /// Lines for the offsets of a time namespace that the process in between makes.
    pub time_offsets: Option<Vec<String>>,
}

/// Clones a process into the namespaces, and into the cgroup where there is one and the kernel can.
pub(crate) fn clone_into(namespaces: &Namespaces, cgroup: Option<&Cgroup>) -> Result<(Cloned, Rest), Error> {
    let joined_pid = namespaces.join.iter().any(|join| join.flag == libc::CLONE_NEWPID as u64);
    let mut rest = Rest { joined_pid, ..Rest::default() };
    let way_back = if namespaces.joins_user() { None } else { way_back(namespaces)? };
    let visit = match way_back {
        Some(own) => {
            rest.join = open_all(namespaces, |flag| flag == MOUNT)?;
            Visit::begin(namespaces, own)?
        }
        None => {
            leave_to_one_between(namespaces, &mut rest)?;
            Visit::default()
        }
    };
    let cloned = clone_into_cgroup(namespaces, cgroup, &mut rest).act(|| "clone init".into())?;
    if let Cloned::Parent { .. } = cloned {
        visit.end()?;
    }
    Ok((cloned, rest))
}

/// What the parent cannot enter without staying there, a process in between enters, and clones init from inside.
fn leave_to_one_between(namespaces: &Namespaces, rest: &mut Rest) -> Result<(), Error> {
    rest.join = open_all(namespaces, |_| true)?;
    rest.late = namespaces.new & CGROUP;
    if namespaces.new_user() {
        rest.late |= namespaces.new & AFTER_MAPS;
    }
    rest.again = Some(namespaces.new & !(rest.late | TIME));
    rest.time_offsets = (namespaces.new & TIME != 0).then(|| namespaces.time_offsets.clone());
    Ok(())
}

fn clone_into_cgroup(namespaces: &Namespaces, cgroup: Option<&Cgroup>, rest: &mut Rest) -> nix::Result<Cloned> {
    let new = if rest.again.is_some() { 0 } else { namespaces.new & !TIME };
    if new & USER != 0 {
        rest.wait_placed = true;
        rest.late |= new & (AFTER_MAPS | CGROUP);
    }
    let clone = |flags: u64, cgroup| clone3(Clone3 { flags: flags | CLONE_CLEAR_SIGHAND, exit_signal: libc::SIGCHLD, cgroup });
    if let Some(dir) = cgroup.and_then(Cgroup::dir_fd) {
        match clone(new & !rest.late, Some(dir)) {
            Err(Errno::EBUSY | Errno::EACCES | Errno::EOPNOTSUPP | Errno::ENOSYS) => {}
            other => return other,
        }
    }
    // A cgroup namespace made before init is placed would have the runtime's own cgroup as its root.
    (rest.place, rest.wait_placed) = (true, true);
    rest.late |= namespaces.new & CGROUP;
    clone(new & !rest.late, None)
}

/// Opens the namespaces to be entered, while their paths still mean the host's.
fn open_all(namespaces: &Namespaces, wanted: impl Fn(u64) -> bool) -> Result<Vec<OwnedFd>, Error> {
    let open = |join: &skiff_plan::JoinNamespace| {
        let file =
            File::open(&join.path).act(|| format!("linux.namespaces[{}].path: open {}", join.index, join.path.display()))?;
        Ok(OwnedFd::from(file))
    };
    namespaces.join.iter().filter(|join| wanted(join.flag)).map(open).collect()
}

/// The parent in namespaces that are not its own, for the length of one clone. A pid or time namespace is entered only by
/// children; the others are left again before anything else happens.
#[derive(Debug, Default)]
struct Visit(Vec<OwnedFd>);

impl Visit {
    fn begin(namespaces: &Namespaces, own: Vec<OwnedFd>) -> Result<Self, Error> {
        for join in entered(namespaces) {
            let act = || format!("linux.namespaces[{}].path: enter {}", join.index, join.path.display());
            let file = File::open(&join.path).act(act)?;
            // The flag makes the kernel refuse a namespace of another kind.
            setns(&file, CloneFlags::from_bits_retain(join.flag as i32)).act(act)?;
        }
        if namespaces.new & TIME != 0 {
            unshare(CloneFlags::from_bits_retain(TIME as i32)).act(|| "make a time namespace".into())?;
            write_time_offsets(&namespaces.time_offsets).act(|| "linux.timeOffsets".into())?;
        }
        Ok(Self(own))
    }

    fn end(self) -> Result<(), Error> {
        self.0
            .iter()
            .rev()
            .try_for_each(|own| setns(own.as_fd(), CloneFlags::empty()))
            .act(|| "return to our own namespaces".into())
    }
}

/// Those that the parent enters for the length of the clone: a mount namespace would take its working directory along.
fn entered(namespaces: &Namespaces) -> impl Iterator<Item = &skiff_plan::JoinNamespace> {
    namespaces.join.iter().filter(|join| join.flag != MOUNT)
}

/// Our own namespaces of the kinds that are to be left. `None`: there is no way back into one, which belongs to a user
/// namespace above ours, as those of a rootless podman do.
fn way_back(namespaces: &Namespaces) -> Result<Option<Vec<OwnedFd>>, Error> {
    let flags = entered(namespaces).map(|join| join.flag).chain((namespaces.new & TIME != 0).then_some(TIME));
    let mut own = Vec::new();
    for flag in flags {
        let namespace = own_namespace(flag)?;
        match setns(&namespace, CloneFlags::from_bits_retain(flag as i32)) {
            Err(Errno::EPERM) => return Ok(None),
            other => other.act(|| "look for a way back into our own namespaces".into())?,
        }
        own.push(namespace);
    }
    Ok(Some(own))
}

/// Must happen before the first process is in the namespace: the kernel freezes the offsets then.
pub(crate) fn write_time_offsets(lines: &[String]) -> std::io::Result<()> {
    if lines.is_empty() { Ok(()) } else { std::fs::write("/proc/self/timens_offsets", lines.join("\n")) }
}

fn own_namespace(flag: u64) -> Result<OwnedFd, Error> {
    let name = match flag {
        USER => "user",
        CGROUP => "cgroup",
        TIME => "time",
        _ if flag == libc::CLONE_NEWPID as u64 => "pid",
        _ if flag == libc::CLONE_NEWUTS as u64 => "uts",
        _ if flag == libc::CLONE_NEWIPC as u64 => "ipc",
        _ => "net",
    };
    let path = format!("/proc/self/ns/{name}");
    Ok(File::open(&path).act(|| format!("open {path}"))?.into())
}
