//! The program's own arguments as the C library has them: looked at and handed on without a copy, since a program that is
//! about to execute itself again should not pay for a heap first.

use nix::errno::Errno;
use std::convert::Infallible;
use std::ffi::{CStr, CString, c_char};
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

impl Args {
    /// Writes `words` over the program's arguments, as far as there is room, and nothing over its environment: what
    /// `/proc/PID/cmdline` and `/proc/PID/environ` show from now on.
    pub fn replace(self, words: &[CString]) {
        let room = strings(self.0).map(|old| old.to_bytes_with_nul().len()).sum::<usize>();
        let mut text: Vec<u8> = words.iter().flat_map(|word| word.as_bytes_with_nul()).copied().collect();
        // The kernel takes a command line that does not end in null for one that goes on in the environment.
        text.truncate(room.saturating_sub(1));
        text.resize(room, 0);
        let mut rest = text.as_slice();
        for old in pointers(self.0) {
            let (part, more) = rest.split_at((length(old) + 1).min(rest.len()));
            overwrite(old, part);
            rest = more;
        }
        // SAFETY: the C library keeps it pointing to an array that ends in null; no other thread changes it.
        let environment = unsafe { environ };
        pointers(environment).for_each(|old| overwrite(old, &vec![0; length(old)]));
    }
}

/// Length without the terminating null.
fn length(string: *const c_char) -> usize {
    // SAFETY: a string of argv or environ, which ends in null.
    unsafe { libc::strlen(string) }
}

/// Writes over a string of argv or environ, whose terminating null may be the last byte of `new`.
fn overwrite(old: *const c_char, new: &[u8]) {
    // SAFETY: these strings are the program's to write (C11, 5.1.2.2.1), and the callers measure `new` by them. Nobody reads them
    // any more when they are replaced.
    unsafe { std::ptr::copy_nonoverlapping(new.as_ptr(), old.cast_mut().cast(), new.len()) };
}

/// Walks an array of strings that ends in null.
fn pointers(mut array: *const *const c_char) -> impl Iterator<Item = *const c_char> {
    std::iter::from_fn(move || {
        // SAFETY: the callers' arrays end in null, and the walk stops there.
        let string = unsafe { *array };
        if string.is_null() {
            return None;
        }
        // SAFETY: the element was not the last, so there is a next one.
        array = unsafe { array.add(1) };
        Some(string)
    })
}

fn strings(array: *const *const c_char) -> impl Iterator<Item = &'static CStr> {
    // SAFETY: not null, so a C string that lasts as long as the program.
    pointers(array).map(|string| unsafe { CStr::from_ptr(string) })
}

/// Executes `file` with our arguments and, of our environment, the variables named in `keep`, besides those in `more`, which are
/// `NAME=VALUE` (15 in all at most).
///
/// # Errors
/// As execveat(2); it does not return otherwise.
pub fn execute_again(file: BorrowedFd<'_>, args: Args, keep: &[&str], more: &[&CString]) -> nix::Result<Infallible> {
    let mut env = [std::ptr::null::<c_char>(); KEPT + 1];
    let is_kept = |entry: &&CStr| {
        let name = entry.to_bytes().split(|&byte| byte == b'=').next().unwrap_or_default();
        keep.iter().any(|kept| kept.as_bytes() == name)
    };
    // SAFETY: the C library keeps it pointing to an array that ends in null; no other thread changes it.
    let all = unsafe { environ };
    let more = more.iter().map(|entry| entry.as_ptr());
    for (slot, entry) in env[..KEPT].iter_mut().zip(more.chain(strings(all).filter(is_kept).map(CStr::as_ptr))) {
        *slot = entry;
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
