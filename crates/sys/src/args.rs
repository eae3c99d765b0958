//! The program's own arguments as the C library has them: looked at and handed on without a copy, since a program that is
//! about to execute itself again should not pay for a heap first.

use nix::errno::Errno;
use std::convert::Infallible;
use std::ffi::{CStr, c_char};
use std::os::fd::{AsRawFd, BorrowedFd};

/// `argv` of `main`.
#[derive(Debug, Clone, Copy)]
pub struct Args(*const *const c_char);

/// As many variables as [`execute_again`] can keep.
const KEPT: usize = 15;

unsafe extern "C" {
    static environ: *const *const c_char;
}

impl Args {
    /// # Safety
    /// `argv` is the one that `main` got: it ends in null, and its strings last as long as the program.
    #[must_use]
    pub unsafe fn new(argv: *const *const c_char) -> Self {
        Self(argv)
    }

    /// One of the arguments is one of these words.
    #[must_use]
    pub fn contain(&self, words: &[&CStr]) -> bool {
        strings(self.0).any(|argument| words.contains(&argument))
    }
}

impl Args {
    /// One of the arguments has this text in it.
    #[must_use]
    pub fn mention(&self, text: &str) -> bool {
        strings(self.0).any(|argument| argument.to_bytes().windows(text.len()).any(|part| part == text.as_bytes()))
    }
}

/// Walks an array of strings that ends in null.
fn strings(mut array: *const *const c_char) -> impl Iterator<Item = &'static CStr> {
    std::iter::from_fn(move || {
        // SAFETY: the callers' arrays end in null, and the walk stops there.
        let string = unsafe { *array };
        if string.is_null() {
            return None;
        }
        // SAFETY: the element was not the last, so there is a next one.
        array = unsafe { array.add(1) };
        // SAFETY: not null, so a C string that lasts as long as the program.
        Some(unsafe { CStr::from_ptr(string) })
    })
}

/// Executes `file` with our arguments and, of our environment, the variables named in `keep` (15 at most).
///
/// # Errors
/// As execveat(2); it does not return otherwise.
pub fn execute_again(file: BorrowedFd<'_>, args: Args, keep: &[&str]) -> nix::Result<Infallible> {
    let mut env = [std::ptr::null::<c_char>(); KEPT + 1];
    let is_kept = |entry: &&CStr| {
        let name = entry.to_bytes().split(|&byte| byte == b'=').next().unwrap_or_default();
        keep.iter().any(|kept| kept.as_bytes() == name)
    };
    // SAFETY: the C library keeps it pointing to an array that ends in null; no other thread changes it.
    let all = unsafe { environ };
    for (slot, entry) in env[..KEPT].iter_mut().zip(strings(all).filter(is_kept)) {
        *slot = entry.as_ptr();
    }
    // SAFETY: both arrays end in null and point to strings that outlive the call; the empty path is static.
    unsafe { libc::syscall(libc::SYS_execveat, file.as_raw_fd(), c"".as_ptr(), args.0, env.as_ptr(), libc::AT_EMPTY_PATH) };
    Err(Errno::last())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_whole() {
        let argv = [c"skiff".as_ptr(), c"--root".as_ptr(), c"run".as_ptr(), std::ptr::null()];
        // SAFETY: it ends in null, and the strings are static.
        let args = unsafe { Args::new(argv.as_ptr()) };
        assert!(args.contain(&[c"create", c"run"]));
        assert!(!args.contain(&[c"ru", c"runs"]));
        assert!(args.mention("oo") && !args.mention("roots"));
    }
}
