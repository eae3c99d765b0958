//! Ways out of this program: execve and _exit.

use nix::errno::Errno;
use std::convert::Infallible;
use std::ffi::{CStr, CString};

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect()
}

/// execve(2).
///
/// # Errors
/// As execve(2); it does not return otherwise.
pub fn execve(path: &CStr, args: &[CString], env: &[CString]) -> nix::Result<Infallible> {
    let (args, env) = (pointers(args), pointers(env));
    // SAFETY: both arrays end in null and point to strings that outlive the call.
    unsafe { libc::execve(path.as_ptr(), args.as_ptr(), env.as_ptr()) };
    Err(Errno::last())
}

/// Ends the process without running anything of this program's exit path: what init uses, whose memory is a copy of
/// the parent's, buffers included.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit has no preconditions.
    unsafe { libc::_exit(code) }
}
