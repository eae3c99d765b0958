//! What the compiler may still do once it has started and before it sees a byte of the module: memory, its own threads, files in
//! the one directory that it can reach. Nothing that executes, connects, mounts, traces or makes a process. Runs in the compiler.

use crate::filter::{self, RIGHTS, equal, masked};
use landlock::{
    Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, Ruleset, RulesetAttr, RulesetCreatedAttr, Scope,
};
use std::os::fd::OwnedFd;

const ALWAYS: [&str; 46] = [
    "access",
    "brk",
    "clock_gettime",
    "clock_nanosleep",
    "close",
    "exit",
    "exit_group",
    "faccessat",
    "faccessat2",
    "fallocate",
    "fstat",
    "ftruncate",
    "futex",
    "getcwd",
    "getpid",
    "getrandom",
    "gettid",
    "lseek",
    "lstat",
    "madvise",
    "mremap",
    "munmap",
    "nanosleep",
    "newfstatat",
    "openat",
    "pread64",
    "pwrite64",
    "read",
    "readv",
    "rename",
    "renameat",
    "renameat2",
    "rseq",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sched_getaffinity",
    "sched_yield",
    "set_robust_list",
    "sigaltstack",
    "stat",
    "statx",
    "unlink",
    "unlinkat",
    "write",
    "writev",
];

/// Leaves this process the files below `work` and these calls, for good. It has no_new_privs.
///
/// # Errors
/// A ruleset or filter that cannot be made or that the kernel refuses, in plain words.
pub(super) fn confine(work: OwnedFd) -> Result<(), String> {
    files(work).map_err(|error| format!("restrict itself by landlock: {error}"))?;
    let thread = libc::CLONE_THREAD as u64;
    // Reading a limit is all that the C library wants.
    let conditions = vec![masked(&["clone"], 0, thread, thread), equal(&["prlimit64"], 2, 0)];
    // As if the kernel had never heard of the rest: the C library then falls back, from clone3 to clone.
    let (program, flags) = filter::compile(&ALWAYS, conditions, libc::ENOSYS)?;
    let failed = |errno| format!("load its seccomp filter: {}", skiff_sys::errno_text(errno));
    skiff_sys::seccomp::load(&program, flags).map_err(failed)
}

/// A kernel without Landlock is no reason not to compile: there is little to reach in the compiler's root.
fn files(work: OwnedFd) -> Result<(), landlock::RulesetError> {
    let ruleset = Ruleset::default().set_compatibility(CompatLevel::BestEffort);
    let ruleset = ruleset.handle_access(AccessFs::from_all(RIGHTS))?.handle_access(AccessNet::from_all(RIGHTS))?;
    let ruleset = ruleset.scope(Scope::from_all(RIGHTS))?.create()?;
    let allowed = AccessFs::from_all(RIGHTS) & !AccessFs::Execute;
    ruleset.add_rule(PathBeneath::new(work, allowed))?.restrict_self().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::errno::Errno;
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
    use std::fs::File;
    use std::thread;

    /// What is refused in one thread that is confined.
    fn tried() -> Vec<(&'static str, Option<Errno>)> {
        nix::sys::prctl::set_no_new_privs().unwrap();
        confine(File::open("/").unwrap().into()).unwrap();
        let map = |access| {
            // SAFETY: a new mapping wherever the kernel likes.
            let at = unsafe { libc::mmap(std::ptr::null_mut(), 1, access, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0) };
            (at == libc::MAP_FAILED).then(Errno::last)
        };
        let none = Some(Errno::ENOSYS);
        // SAFETY: there is no child: it is refused.
        let forked = unsafe { nix::unistd::fork() }.err();
        vec![
            ("a thread", thread::spawn(|| ()).join().err().and(none)),
            ("memory", map(libc::PROT_READ)),
            ("code", map(libc::PROT_READ | libc::PROT_EXEC)),
            ("a process", forked),
            ("a program", nix::unistd::execv(c"/bin/true", &[c"true"]).err()),
            ("a socket", socket(AddressFamily::Unix, SockType::Stream, SockFlag::empty(), None).err()),
            ("a signal", nix::sys::signal::kill(nix::unistd::Pid::this(), None).err()),
            ("a mount", nix::mount::umount("/nowhere").err()),
            ("a namespace", nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUSER).err()),
        ]
    }

    #[test]
    fn threads_and_memory_and_nothing_else() {
        let tried = thread::spawn(tried).join().unwrap();
        let (allowed, refused) = tried.split_at(2);
        assert!(allowed.iter().all(|(_, errno)| errno.is_none()), "{allowed:?}");
        assert!(refused.iter().all(|(_, errno)| *errno == Some(Errno::ENOSYS)), "{refused:?}");
    }
}
