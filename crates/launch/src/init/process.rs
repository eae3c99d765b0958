//! From init to the container's process: stdio, descriptors, signals, working directory, credentials, in the order of
//! docs/architecture.md ("init, in order"). init side.

use super::{At, Failed};
use crate::steps::{About, Fault, ProcessStep};
use nix::errno::Errno;
use nix::sys::stat::{Mode, SFlag, fstat, umask};
use nix::unistd::{Uid, chdir, fchown, isatty};
use skiff_plan::{Capabilities, HostFacts, Process};
use skiff_sys::CapSets;
use std::os::fd::{AsFd, BorrowedFd, RawFd};

/// The descriptors that stay open.
pub(super) struct Keep {
    /// 3 to 2 + this go to the container.
    pub fds: u32,
    pub sync: RawFd,
    pub fifo: RawFd,
}

/// Becomes the process in everything but its program.
pub(super) fn become_process(process: &Process, facts: &HostFacts, keep: &Keep) -> Result<(), Failed> {
    own_stdio(process.uid).during(ProcessStep::StdioOwner)?;
    close_descriptors(keep).during(ProcessStep::CloseDescriptors)?;
    skiff_sys::reset_dispositions(facts.ignored_signals).during(ProcessStep::Signals)?;
    skiff_sys::empty_mask().during(ProcessStep::Signals)?;
    let entered = enter_cwd(process);
    credentials(process, facts)?;
    // A directory that only the user may enter (a home on NFS, mode 0700 without CAP_DAC_OVERRIDE).
    let entered = if entered.is_err() { enter_cwd(process) } else { entered };
    entered.during(ProcessStep::WorkingDirectory)?;
    if !skiff_sys::cwd_is_reachable().about(process.cwd.display()).during(ProcessStep::CwdInside)? {
        let outside = Fault::new(Errno::UnknownErrno, format!("{} lies outside the container's root", process.cwd.display()));
        return Err(outside).during(ProcessStep::CwdInside);
    }
    umask(Mode::from_bits_truncate(process.umask));
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
fn close_descriptors(keep: &Keep) -> nix::Result<()> {
    let mut ours = [keep.sync.unsigned_abs(), keep.fifo.unsigned_abs()];
    ours.sort_unstable();
    skiff_sys::close_from(3 + keep.fds, &ours)?;
    (3..3 + keep.fds).try_for_each(inherit)
}

/// The caller may have marked a preserved descriptor close-on-exec.
fn inherit(fd: u32) -> nix::Result<()> {
    skiff_sys::clear_cloexec(fd)
}

fn credentials(process: &Process, facts: &HostFacts) -> Result<(), Failed> {
    let caps = &process.capabilities;
    drop_bounding(caps, facts).during(ProcessStep::BoundingSet)?;
    skiff_sys::set_groups(&process.groups).during(ProcessStep::Groups)?;
    let ids = format_args!("{}:{}", process.uid, process.gid).to_string();
    skiff_sys::set_ids(process.uid, process.gid).about(ids).during(ProcessStep::Ids)?;
    let sets = CapSets { effective: caps.effective, permitted: caps.permitted, inheritable: caps.inheritable };
    skiff_sys::capset(sets).during(ProcessStep::Capabilities)?;
    bits(caps.ambient).try_for_each(skiff_sys::raise_ambient).during(ProcessStep::AmbientSet)?;
    if process.no_new_privileges {
        nix::sys::prctl::set_no_new_privs().during(ProcessStep::NoNewPrivileges)?;
    }
    Ok(())
}

fn drop_bounding(caps: &Capabilities, facts: &HostFacts) -> Result<(), Fault> {
    bits(facts.bounding & !caps.bounding).try_for_each(|cap| skiff_sys::drop_bounding(cap).about(format_args!("capability {cap}")))
}

fn bits(mask: u64) -> impl Iterator<Item = u32> {
    (0..u64::BITS).filter(move |bit| mask >> bit & 1 == 1)
}

/// The container's descriptors 3 to 2 + `count` are open; checked before any of ours could take their place.
pub(crate) fn check_preserved(count: u32) -> Result<(), u32> {
    (3..3 + count).try_for_each(|fd| if skiff_sys::is_open(fd) { Ok(()) } else { Err(fd) })
}

