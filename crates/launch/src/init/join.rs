//! Entering namespaces that exist, from inside the process that shall live there: the container's own for exec, joined ones
//! for create where a user namespace is among them. init side.

use super::{At, Failed, Start, wait_placed};
use crate::namespaces::{Rest, write_time_offsets};
use crate::process::Child;
use crate::steps::{About, Fault, ProcessStep};
use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};
use skiff_sys::{Clone3, Cloned, clone3};
use std::os::fd::{AsFd, OwnedFd};

/// What a process enters before anything else.
pub(crate) enum Join {
    /// What the clone has left to do.
    Files(Rest),
    /// The namespaces of another process, by `CLONE_NEW*` flags.
    Process {
        pidfd: OwnedFd,
        flags: u64,
        /// All in one call: a runtime without privileges gets the others only with the user namespace.
        at_once: bool,
        /// A further clone is born there.
        again: bool,
    },
}

/// Goes where the plan says. Returns in the process that is meant.
pub(super) fn enter(start: &Start<'_>) -> Result<(), Failed> {
    match &start.join {
        Join::Files(rest) => files(start, rest),
        Join::Process { pidfd, flags, at_once, again } => {
            // The user namespace last: its members may not enter what belongs to the runtime's.
            let last = if *at_once { 0 } else { flags & libc::CLONE_NEWUSER as u64 };
            for some in [flags & !last, last].into_iter().filter(|some| *some != 0) {
                setns(pidfd, flags_of(some)).during(ProcessStep::Join)?;
            }
            if *again { clone_again(start, 0) } else { Ok(()) }
        }
    }
}

fn flags_of(flags: u64) -> CloneFlags {
    CloneFlags::from_bits_retain(flags as i32)
}

fn files(start: &Start<'_>, rest: &Rest) -> Result<(), Failed> {
    rest.join.iter().try_for_each(|file| setns(file.as_fd(), CloneFlags::empty())).during(ProcessStep::Join)?;
    if let Some(offsets) = &rest.time_offsets {
        unshare(CloneFlags::from_bits_retain(libc::CLONE_NEWTIME)).during(ProcessStep::Join)?;
        let written = write_time_offsets(offsets).map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw));
        written.about("linux.timeOffsets").during(ProcessStep::Join)?;
    }
    if rest.joined_pid {
        // Whoever lives in that pid namespace sees this process from now on.
        start.close_others(start.sources()).during(ProcessStep::CloseDescriptors)?;
    }
    let Some(flags) = rest.again else { return Ok(()) };
    clone_again(start, flags)
}

/// Clones the process that is meant as a child of the parent's, hands its descriptor up and ends.
fn clone_again(start: &Start<'_>, flags: u64) -> Result<(), Failed> {
    start.close_others(start.sources()).during(ProcessStep::CloseDescriptors)?;
    // Any other exit signal is EINVAL with CLONE_PARENT: the child has ours, SIGCHLD.
    let request = Clone3 { flags: flags | libc::CLONE_PARENT as u64, exit_signal: 0, cgroup: None };
    match clone3(request).during(ProcessStep::Clone)? {
        // Nothing of ours may overtake what the one in between has to say; and there may be maps to wait for.
        Cloned::Child => wait_placed(&start.owned.sync).during(ProcessStep::Placed),
        Cloned::Parent { pid, pidfd } => {
            let child = Child { pid, pidfd };
            match start.owned.sync.cloned(&child) {
                Ok(()) => skiff_sys::exit_now(0),
                // It would wait for a parent that does not know of it, and keep the socket open, for which the parent waits.
                Err(errno) => {
                    let _ = skiff_sys::pidfd_send_signal(child.pidfd.as_fd(), libc::SIGKILL);
                    Err(errno).during(ProcessStep::Clone)
                }
            }
        }
    }
}

/// Inside a new or joined user namespace: whoever enters has no id there until it takes one.
pub(super) fn become_mapped_root() -> Result<(), Fault> {
    match skiff_sys::set_groups(&[]) {
        // Denied by whoever wrote the maps (user_namespaces(7)): then the groups stay.
        Ok(()) | Err(Errno::EPERM) => {}
        Err(errno) => return Err(errno.into()),
    }
    Ok(skiff_sys::set_ids(0, 0)?)
}
