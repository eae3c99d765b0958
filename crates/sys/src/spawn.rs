//! A program as a child process, with nothing of ours in it but stdin and one pipe. Parent and init use it for hooks.

use crate::{check, close_from, empty_mask};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::{Pid, pipe2};
use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// What to execute, and what it starts with.
#[derive(Debug, Clone, Copy)]
pub struct Program<'a> {
    /// Executed as it is, not looked up.
    pub path: &'a CStr,
    /// With `args[0]`.
    pub args: &'a [CString],
    /// The whole environment.
    pub env: &'a [CString],
    /// Working directory; `None`: the caller's.
    pub directory: Option<&'a CStr>,
    /// File mode creation mask; `None`: the caller's.
    pub umask: Option<u32>,
    /// Its descriptor 0. Not one of 0 to 2 here.
    pub stdin: BorrowedFd<'a>,
    /// Its descriptors 1 and 2. Not one of 0 to 2 here.
    pub output: BorrowedFd<'a>,
}

/// A child that [`spawn`] made.
#[derive(Debug)]
pub struct Spawned {
    /// In the caller's pid namespace.
    pub pid: Pid,
    /// Readable when it has ended.
    pub pidfd: OwnedFd,
    failure: OwnedFd,
}

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With this exit code.
    Exited(i32),
    /// By this signal, real-time ones included, which nix refuses.
    Killed(i32),
}

/// What kept a child from executing its program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Resetting signals, or taking its descriptors.
    Prepare,
    /// Changing to the working directory.
    Directory,
    /// execve(2).
    Execute,
}

impl Spawned {
    /// Waits for its end and reaps it.
    ///
    /// # Errors
    /// `ECHILD` if it was reaped already, or the caller ignores SIGCHLD.
    pub fn wait(&self) -> nix::Result<End> {
        // SAFETY: siginfo is plain data for which zero is valid.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        let id = self.pidfd.as_raw_fd().unsigned_abs();
        // SAFETY: the kernel stores one siginfo through the pointer.
        while let Err(errno) = check(unsafe { libc::waitid(libc::P_PIDFD, id, &raw mut info, libc::WEXITED) }.into()) {
            if errno != Errno::EINTR {
                return Err(errno);
            }
        }
        // SAFETY: waitid has filled the fields of SIGCHLD.
        let status = unsafe { info.si_status() };
        Ok(if info.si_code == libc::CLD_EXITED { End::Exited(status) } else { End::Killed(status) })
    }

    /// Why the program was not executed; `None` if it was. Waits until that is known.
    ///
    /// # Errors
    /// As read(2).
    pub fn failure(&self) -> nix::Result<Option<(Step, Errno)>> {
        let mut packet = [0; 8];
        loop {
            match nix::unistd::read(&self.failure, &mut packet) {
                Err(Errno::EINTR) => {}
                Ok(8) => return Ok(Some(decode(packet))),
                other => return other.map(|_| None),
            }
        }
    }
}

fn decode(packet: [u8; 8]) -> (Step, Errno) {
    let [a, b, c, d, e, f, g, h] = packet;
    let step = match i32::from_ne_bytes([a, b, c, d]) {
        0 => Step::Prepare,
        1 => Step::Directory,
        _ => Step::Execute,
    };
    (step, Errno::from_raw(i32::from_ne_bytes([e, f, g, h])))
}

/// Makes a child process that executes the program with default signal dispositions and an empty mask.
///
/// By clone(2), since seccomp profiles of containers allow it where they cannot allow clone3: they look at flags.
///
/// # Errors
/// As pipe2(2) and clone(2). What fails later is told by [`Spawned::failure`].
pub fn spawn(program: &Program<'_>) -> nix::Result<Spawned> {
    let (failure, tell) = pipe2(OFlag::O_CLOEXEC)?;
    // Nothing may be allocated behind the clone: a thread of a test may hold the allocator's lock.
    let (args, env) = (pointers(program.args), pointers(program.env));
    match fork()? {
        None => run(program, &args, &env, &tell),
        Some((pid, pidfd)) => Ok(Spawned { pid, pidfd, failure }),
    }
}

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect()
}

/// The child and its descriptor; `None` in the child.
fn fork() -> nix::Result<Option<(Pid, OwnedFd)>> {
    let mut pidfd: libc::c_int = -1;
    let flags = libc::CLONE_PIDFD | libc::SIGCHLD;
    // SAFETY: no CLONE_VM and no stack: the child runs on a copy of this stack and calls nothing that takes a lock. With
    // CLONE_PIDFD the third argument is where the descriptor goes, on every architecture but s390 and CRIS.
    let pid = check(unsafe { libc::syscall(libc::SYS_clone, flags, 0, &raw mut pidfd, 0, 0) })?;
    if pid == 0 {
        return Ok(None);
    }
    // SAFETY: clone succeeded with CLONE_PIDFD, so the kernel stored a new descriptor that nobody else owns.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Some((Pid::from_raw(pid as i32), pidfd)))
}

fn run(program: &Program<'_>, args: &[*const libc::c_char], env: &[*const libc::c_char], tell: &OwnedFd) -> ! {
    let (step, errno) = match prepare(program, tell) {
        Err(failed) => failed,
        Ok(()) => {
            // SAFETY: both arrays end in null and point to strings that `program` borrows.
            unsafe { libc::execve(program.path.as_ptr(), args.as_ptr(), env.as_ptr()) };
            (Step::Execute, Errno::last())
        }
    };
    let mut packet = [0; 8];
    packet[..4].copy_from_slice(&(step as i32).to_ne_bytes());
    packet[4..].copy_from_slice(&(errno as i32).to_ne_bytes());
    let _ = nix::unistd::write(tell, &packet);
    crate::exit_now(127)
}

fn prepare(program: &Program<'_>, tell: &OwnedFd) -> Result<(), (Step, Errno)> {
    take_descriptors(program, tell).map_err(|errno| (Step::Prepare, errno))?;
    default_dispositions();
    empty_mask().map_err(|errno| (Step::Prepare, errno))?;
    if let Some(umask) = program.umask {
        nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(umask));
    }
    program.directory.map_or(Ok(()), nix::unistd::chdir).map_err(|errno| (Step::Directory, errno))
}

/// By the raw call: glibc keeps signals 32 and 33 to itself, and callers do ignore them.
fn default_dispositions() {
    // Long enough for the kernel's sigaction on every architecture; all zero is SIG_DFL without flags and mask.
    let default = [0u64; 4];
    let no_old = std::ptr::null_mut::<u64>();
    for signal in 1..=64 {
        // SAFETY: the kernel reads the structure and writes no old one. SIGKILL and SIGSTOP are refused, as they should be.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), no_old, 8) };
    }
}

/// Whoever called the runtime may have left it descriptors that are not close-on-exec.
fn take_descriptors(program: &Program<'_>, tell: &OwnedFd) -> nix::Result<()> {
    nix::unistd::dup2_stdin(program.stdin)?;
    nix::unistd::dup2_stdout(program.output)?;
    nix::unistd::dup2_stderr(program.output)?;
    close_from(3, &[tell.as_raw_fd().unsigned_abs()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{PipeReader, Read};
    use std::os::fd::AsFd;

    fn start(path: &CStr, args: &[&CStr], env: &[CString], directory: Option<&CStr>) -> (Spawned, PipeReader) {
        let (reader, writer) = std::io::pipe().unwrap();
        let stdin = std::fs::File::open("/dev/null").unwrap();
        let args: Vec<CString> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let program =
            Program { path, args: &args, env, directory, umask: Some(0o027), stdin: stdin.as_fd(), output: writer.as_fd() };
        (spawn(&program).unwrap(), reader)
    }

    fn text(mut reader: PipeReader) -> String {
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn the_program_gets_exactly_what_it_was_given() {
        let script = c"echo \"$0 $A $HOME\"; pwd; umask; ls /proc/self/fd; exit 3";
        let (spawned, reader) = start(c"/bin/sh", &[c"zero", c"-c", script], &[c"A=b".to_owned()], Some(c"/usr"));
        assert_eq!(spawned.failure(), Ok(None));
        // Descriptor 3 is the directory that ls looks at.
        assert_eq!(text(reader), "zero b \n/usr\n0027\n0\n1\n2\n3\n");
        assert_eq!(spawned.wait(), Ok(End::Exited(3)));
    }

    #[test]
    fn no_signal_is_ignored_or_blocked() {
        let (spawned, reader) = start(c"/bin/grep", &[c"grep", c"-E", c"Sig(Blk|Ign)", c"/proc/self/status"], &[], None);
        assert_eq!(text(reader), "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
        assert_eq!(spawned.wait(), Ok(End::Exited(0)));
    }

    #[test]
    fn what_did_not_start_says_why() {
        let (spawned, _) = start(c"/no/such", &[c"x"], &[], None);
        assert_eq!(spawned.failure(), Ok(Some((Step::Execute, Errno::ENOENT))));
        spawned.wait().unwrap();
        let (spawned, _) = start(c"/bin/true", &[c"x"], &[], Some(c"/no/such"));
        assert_eq!(spawned.failure(), Ok(Some((Step::Directory, Errno::ENOENT))));
        spawned.wait().unwrap();
    }

    #[test]
    fn a_signal_is_no_exit_code() {
        for (signal, script) in [(libc::SIGKILL, c"kill -9 $$"), (40, c"kill -40 $$")] {
            let (spawned, _) = start(c"/bin/sh", &[c"sh", c"-c", script], &[], None);
            assert_eq!(spawned.wait(), Ok(End::Killed(signal)));
        }
    }
}
