//! Keyring, personality and the memory that parent and init share: small calls around namespaces that nix leaves out.

use crate::check;
use crate::seccomp::SockFilter;
use std::ffi::CStr;

/// `KEYCTL_JOIN_SESSION_KEYRING` of keyctl(2).
const JOIN_SESSION_KEYRING: libc::c_int = 1;

/// Joins a new session keyring of that name, so that the caller's keys stay out of reach.
///
/// # Errors
/// As keyctl(2); `ENOSYS` on a kernel without keys, `EDQUOT` when the user has too many.
pub fn join_session_keyring(name: &CStr) -> nix::Result<()> {
    // SAFETY: the name is a C string for the length of the call.
    check(unsafe { libc::syscall(libc::SYS_keyctl, JOIN_SESSION_KEYRING, name.as_ptr(), 0, 0, 0) }).map(drop)
}

/// personality(2): which kernel a program believes to run on.
///
/// # Errors
/// As personality(2).
pub fn set_personality(persona: u32) -> nix::Result<()> {
    // SAFETY: integers only.
    check(unsafe { libc::personality(libc::c_ulong::from(persona)) }.into()).map(drop)
}

/// Memory that stays shared across a clone: the parent compiles a seccomp program into it while init mounts.
#[derive(Debug)]
pub struct SharedProgram(*mut SockFilter);

/// As many instructions as the kernel takes (`BPF_MAXINSNS`).
const INSTRUCTIONS: usize = 4096;

impl SharedProgram {
    /// Room for one program. It is never unmapped: whoever makes one ends or executes soon.
    ///
    /// # Errors
    /// As mmap(2).
    pub fn new() -> nix::Result<Self> {
        let length = INSTRUCTIONS * size_of::<SockFilter>();
        let (access, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping wherever the kernel likes.
        let memory = unsafe { libc::mmap(std::ptr::null_mut(), length, access, flags, -1, 0) };
        if memory == libc::MAP_FAILED { Err(nix::errno::Errno::last()) } else { Ok(Self(memory.cast())) }
    }

    /// Stores a program. The other side must not read before it is told the length.
    ///
    /// # Errors
    /// `E2BIG` for more than 4,096 instructions.
    pub fn store(&mut self, program: &[SockFilter]) -> nix::Result<u16> {
        if program.len() > INSTRUCTIONS {
            return Err(nix::errno::Errno::E2BIG);
        }
        // SAFETY: the mapping is that long, aligned to a page, and does not overlap the slice.
        unsafe { std::ptr::copy_nonoverlapping(program.as_ptr(), self.0, program.len()) };
        Ok(program.len() as u16)
    }

    /// The program that the other side has stored, by a copy that it can change no more.
    #[must_use]
    pub fn load(&self, length: u16) -> Vec<SockFilter> {
        let length = usize::from(length).min(INSTRUCTIONS);
        let mut program = Vec::with_capacity(length);
        // SAFETY: the mapping holds that many instructions; any bits are valid integers.
        unsafe { std::ptr::copy_nonoverlapping(self.0, program.as_mut_ptr(), length) };
        // SAFETY: so many elements were written just now, within the capacity.
        unsafe { program.set_len(length) };
        program
    }
}
