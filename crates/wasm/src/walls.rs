//! Two walls around the process that runs a module, should the engine itself be broken out of: a seccomp filter with what
//! WasmEdge and WASI need and nothing else, beside the container's own, and a Landlock ruleset equal to the preopens. init side,
//! in the container, right before the guest's first instruction: everything is loaded and opened by then.

use crate::filter::{self, Filter, RIGHTS, equal};
use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, RulesetError, Scope,
};
use nix::errno::Errno;
use skiff_plan::Preopen;
use std::fmt;

/// What every module's process may call: its memory without new code, its descriptors, files below directories that it holds,
/// time.
const ALWAYS: [&str; 81] = [
    "brk",
    "clock_getres",
    "clock_gettime",
    "clock_nanosleep",
    "close",
    "close_range",
    "dup",
    "dup2",
    "dup3",
    "epoll_create",
    "epoll_create1",
    "epoll_ctl",
    "epoll_pwait",
    "epoll_wait",
    "exit",
    "exit_group",
    "faccessat",
    "faccessat2",
    "fadvise64",
    "fallocate",
    "fchmod",
    "fcntl",
    "fdatasync",
    "fstat",
    "fsync",
    "ftruncate",
    "futex",
    "futimens",
    "getcwd",
    "getdents64",
    "getpid",
    "getrandom",
    "gettid",
    "gettimeofday",
    "linkat",
    "lseek",
    "madvise",
    "mkdirat",
    "mremap",
    "munmap",
    "nanosleep",
    "newfstatat",
    "openat",
    "poll",
    "ppoll",
    "pread64",
    "preadv",
    "pwrite64",
    "pwritev",
    "read",
    "readlinkat",
    "readv",
    "renameat",
    "renameat2",
    "restart_syscall",
    "rseq",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "rt_sigtimedwait",
    "sched_getaffinity",
    "sched_yield",
    "select",
    "set_robust_list",
    "setitimer",
    "sigaltstack",
    "stat",
    "statx",
    "symlinkat",
    "time",
    "timer_create",
    "timer_delete",
    "timer_settime",
    "timerfd_create",
    "timerfd_gettime",
    "timerfd_settime",
    "uname",
    "unlinkat",
    "utimensat",
    "write",
    "writev",
];

/// What WasmEdge's socket extension takes besides, with the C library's name resolution.
const SOCKETS: [&str; 18] = [
    "accept",
    "accept4",
    "bind",
    "connect",
    "getpeername",
    "getsockname",
    "getsockopt",
    "listen",
    "recvfrom",
    "recvmmsg",
    "recvmsg",
    "sendmmsg",
    "sendmsg",
    "sendto",
    "setsockopt",
    "shutdown",
    "socket",
    "socketpair",
];

const RESOLVER: [&str; 5] = ["/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf"];

/// Built, to be raised once.
#[derive(Debug)]
pub struct Walls {
    filter: Filter,
    files: RulesetCreated,
}

/// Why a wall does not stand.
#[derive(Debug)]
pub enum WallError {
    /// The filter could not be made or loaded.
    Seccomp(String),
    /// The ruleset could not be made or enforced.
    Landlock(String),
}

impl fmt::Display for WallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WallError::Seccomp(why) => write!(f, "the engine's seccomp filter: {why}"),
            WallError::Landlock(why) => write!(f, "the engine's Landlock ruleset: {why}"),
        }
    }
}

impl std::error::Error for WallError {}

impl From<RulesetError> for WallError {
    fn from(error: RulesetError) -> Self {
        WallError::Landlock(error.to_string())
    }
}

impl Walls {
    /// Builds both, in the process that they are for; nothing changes yet.
    ///
    /// # Errors
    /// A preopen that is not there, or lies behind a symbolic link; a ruleset or filter that cannot be made.
    pub fn new(preopens: &[Preopen], sockets: bool) -> Result<Walls, WallError> {
        Ok(Walls { filter: filter(sockets).map_err(WallError::Seccomp)?, files: files(preopens, sockets)? })
    }

    /// Raises both, for good. Sets `no_new_privs`, which takes nothing from a process that executes nothing. Without Landlock in
    /// the kernel the filter stands alone.
    ///
    /// # Errors
    /// A wall that the kernel refuses: then the guest must not run.
    pub fn raise(self) -> Result<(), WallError> {
        let failed = |errno: Errno| WallError::Seccomp(skiff_sys::errno_text(errno));
        nix::sys::prctl::set_no_new_privs().map_err(failed)?;
        self.files.restrict_self()?;
        skiff_sys::seccomp::load(&self.filter.0, self.filter.1).map_err(failed)
    }
}

/// The kernel has Landlock: what is read-only for the guest, or not its own, is so for the engine's process, too.
#[must_use]
pub fn has_landlock() -> bool {
    // CompatLevel::HardRequirement makes an error of a kernel without it.
    let ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement).handle_access(AccessFs::from_all(ABI::V1));
    ruleset.and_then(Ruleset::create).is_ok()
}

fn files(preopens: &[Preopen], sockets: bool) -> Result<RulesetCreated, WallError> {
    let mut ruleset = Ruleset::default().set_compatibility(CompatLevel::BestEffort).handle_access(AccessFs::from_all(RIGHTS))?;
    if !sockets {
        ruleset = ruleset.handle_access(AccessNet::from_all(RIGHTS))?;
    }
    let ruleset = ruleset.scope(Scope::Signal)?.create()?;
    let ruleset = preopens.iter().try_fold(ruleset, allow)?;
    // Name resolution reads these; the guest has no path to them.
    let needed: &[&str] = if sockets { &RESOLVER } else { &[] };
    let present = needed.iter().filter_map(|file| PathFd::new(file).ok());
    Ok(present.into_iter().try_fold(ruleset, |ruleset, file| ruleset.add_rule(PathBeneath::new(file, AccessFs::ReadFile)))?)
}

/// What lies below a preopen; special files and programs are of no use to a guest.
fn allow(ruleset: RulesetCreated, preopen: &Preopen) -> Result<RulesetCreated, WallError> {
    let reading = AccessFs::ReadFile | AccessFs::ReadDir;
    let never = AccessFs::Execute
        | AccessFs::MakeChar
        | AccessFs::MakeBlock
        | AccessFs::MakeSock
        | AccessFs::MakeFifo
        | AccessFs::IoctlDev;
    let access = if preopen.read_only { reading } else { AccessFs::from_all(RIGHTS) & !never };
    let directory = crate::wasi::directory(&preopen.path)
        .map_err(|errno| WallError::Landlock(format!("preopen {}: {}", preopen.path.display(), skiff_sys::errno_text(errno))))?;
    Ok(ruleset.add_rule(PathBeneath::new(directory, access))?)
}

/// EPERM and not a killed process: the C library asks for more than it needs. What is compiled has been mapped by now.
fn filter(sockets: bool) -> Result<Filter, String> {
    let more: &[&str] = if sockets { &SOCKETS } else { &[] };
    let conditions = vec![
        // The engine limits its stack (setrlimit(2)); nobody here has the right to raise anything.
        equal(&["prlimit64"], 0, 0),
        equal(&["ioctl"], 1, libc::TCGETS),
        equal(&["ioctl"], 1, libc::FIONREAD),
    ];
    filter::compile(&[&ALWAYS, more].concat(), conditions, libc::EPERM)
}
