//! From init to the container's process: stdio, descriptors, signals, working directory, credentials, in the order of
//! docs/architecture.md ("init, in order"). init side.

use super::{At, Failed, Start};
use crate::steps::{About, Fault, ProcessStep};
use nix::errno::Errno;
use nix::sys::stat::{SFlag, fstat};
use nix::unistd::{Uid, chdir, fchown, isatty};
use skiff_plan::Process;
use skiff_sys::CapSets;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

/// Becomes the process in everything but its program.
pub(super) fn become_process(start: &mut Start<'_>) -> Result<(), Failed> {
    let process = start.process;
    own_stdio(process.uid).during(ProcessStep::StdioOwner)?;
    close_descriptors(start).during(ProcessStep::CloseDescriptors)?;
    skiff_sys::reset_dispositions(start.facts.ignored_signals).during(ProcessStep::Signals)?;
    skiff_sys::empty_mask().during(ProcessStep::Signals)?;
    if let Some(persona) = process.personality {
        skiff_sys::set_personality(persona).during(ProcessStep::Personality)?;
    }
    skiff_sys::set_umask(process.umask);
    // Entering the root has led to "/".
    let there = !start.ops.is_empty() && process.cwd == Path::new("/");
    let entered = if there { Ok(()) } else { enter_cwd(process) };
    start.find_module()?;
    if !process.no_new_privileges {
        // Once the capabilities are dropped, the kernel takes no filter without no_new_privs.
        start.load_seccomp().during(ProcessStep::Seccomp)?;
    }
    credentials(start)?;
    if process.no_new_privileges {
        nix::sys::prctl::set_no_new_privs().during(ProcessStep::NoNewPrivileges)?;
        start.load_seccomp().during(ProcessStep::Seccomp)?;
    }
    // A directory that only the user may enter (a home on NFS, mode 0700 without CAP_DAC_OVERRIDE).
    let entered = if entered.is_err() { enter_cwd(process) } else { entered };
    entered.during(ProcessStep::WorkingDirectory)?;
    if !skiff_sys::cwd_is_reachable().about(process.cwd.display()).during(ProcessStep::CwdInside)? {
        let outside = Fault::new(Errno::UnknownErrno, format!("{} lies outside the container's root", process.cwd.display()));
        return Err(outside).during(ProcessStep::CwdInside);
    }
    Ok(())
}

fn enter_cwd(process: &Process) -> Result<(), Fault> {
    chdir(&process.cwd).about(process.cwd.display())
}

/// stdin, stdout and stderr belong to the process' user, or it could not open /dev/stdout again. Devices other than terminals
/// are the host's own nodes and stay as they are.
fn own_stdio(uid: u32) -> Result<(), Fault> {
    for fd in [std::io::stdin().as_fd(), std::io::stdout().as_fd(), std::io::stderr().as_fd()] {
        match own(fd, uid) {
            Ok(()) | Err(Errno::EPERM | Errno::EROFS | Errno::EINVAL | Errno::EBADF) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

fn own(fd: BorrowedFd<'_>, uid: u32) -> nix::Result<()> {
    let stat = fstat(fd)?;
    let device = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFCHR;
    if stat.st_uid == uid || device && !isatty(fd)? {
        return Ok(());
    }
    fchown(fd, Some(Uid::from_raw(uid)), None)
}

/// Really closes what is not the container's: execve would run a host file through a left-over directory (CVE-2024-21626).
fn close_descriptors(start: &Start<'_>) -> nix::Result<()> {
    start.close_others([])?;
    (3..3 + start.keep_fds).try_for_each(inherit)
}

/// The caller may have marked a preserved descriptor close-on-exec.
fn inherit(fd: u32) -> nix::Result<()> {
    skiff_sys::clear_cloexec(fd)
}

fn credentials(start: &Start<'_>) -> Result<(), Failed> {
    let (process, facts) = (start.process, start.facts);
    let caps = &process.capabilities;
    drop_bounding(start).during(ProcessStep::BoundingSet)?;
    // What is so already needs no call; inside a user namespace the facts of the host say nothing.
    if start.user_namespace || facts.groups != process.groups {
        set_groups(start).during(ProcessStep::Groups)?;
    }
    if start.user_namespace || facts.ids != Some((process.uid, process.gid)) {
        let ids = format_args!("{}:{}", process.uid, process.gid).to_string();
        skiff_sys::set_ids(process.uid, process.gid).about(ids).during(ProcessStep::Ids)?;
    }
    let sets = CapSets { effective: caps.effective, permitted: caps.permitted, inheritable: caps.inheritable };
    skiff_sys::capset(sets).during(ProcessStep::Capabilities)?;
    bits(caps.ambient).try_for_each(skiff_sys::raise_ambient).during(ProcessStep::AmbientSet)
}

/// Whoever has CAP_SETGID and is refused is in a user namespace that denies setgroups: there is nothing to set as long as
/// nothing is asked for.
fn set_groups(start: &Start<'_>) -> nix::Result<()> {
    let denied = start.user_namespace || start.facts.permitted >> CAP_SETGID & 1 == 1;
    match skiff_sys::set_groups(&start.process.groups) {
        Err(Errno::EPERM) if denied && start.process.groups.is_empty() => Ok(()),
        other => other,
    }
}

const CAP_SETGID: u32 = 6;

/// A new user namespace begins with the full set, whatever the runtime's own was.
fn drop_bounding(start: &Start<'_>) -> Result<(), Fault> {
    let unwanted = !start.process.capabilities.bounding;
    let drop = |cap: u32| skiff_sys::drop_bounding(cap).about(format_args!("capability {cap}"));
    if !start.user_namespace {
        return bits(start.facts.bounding & unwanted).try_for_each(drop);
    }
    for cap in bits(unwanted) {
        match drop(cap) {
            // Beyond the last capability that the kernel knows.
            Err(fault) if fault.errno == Errno::EINVAL => break,
            other => other?,
        }
    }
    Ok(())
}

fn bits(mask: u64) -> impl Iterator<Item = u32> {
    (0..u64::BITS).filter(move |bit| mask >> bit & 1 == 1)
}
