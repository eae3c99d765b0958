//! The bpf(2) calls for the device filter of cgroup v2: load a program, attach it to a cgroup, see what is attached.
//! Parent side. What the program says is crates/cgroup's.

use crate::check;
use nix::errno::Errno;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

// linux/bpf.h
const PROG_LOAD: libc::c_int = 5;
const PROG_ATTACH: libc::c_int = 8;
const PROG_DETACH: libc::c_int = 9;
const PROG_GET_FD_BY_ID: libc::c_int = 13;
const PROG_QUERY: libc::c_int = 16;
const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const CGROUP_DEVICE: u32 = 6;
const F_ALLOW_MULTI: u32 = 2;
const F_REPLACE: u32 = 4;

/// The most programs that a cgroup takes for one hook (kernel/bpf/cgroup.c, `BPF_CGROUP_MAX_PROGS`).
const MAX_PROGRAMS: usize = 64;
const LOG_SIZE: usize = 64 * 1024;
/// The verifier gives up with EAGAIN when a signal comes in.
const LOAD_ATTEMPTS: u32 = 30;

/// One instruction, `struct bpf_insn`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Insn {
    /// Class and operation.
    pub code: u8,
    registers: u8,
    /// Jump distance or offset in memory.
    pub offset: i16,
    /// Immediate operand.
    pub immediate: i32,
}

impl Insn {
    /// An instruction on registers 0 to 10.
    #[must_use]
    pub const fn new(code: u8, destination: u8, source: u8, offset: i16, immediate: i32) -> Self {
        // Two bit fields, whose order in the byte is that of the machine.
        let registers =
            if cfg!(target_endian = "little") { source << 4 | destination & 15 } else { destination << 4 | source & 15 };
        Insn { code, registers, offset, immediate }
    }

    /// Destination register.
    #[must_use]
    pub const fn destination(self) -> u8 {
        if cfg!(target_endian = "little") { self.registers & 15 } else { self.registers >> 4 }
    }

    /// Source register.
    #[must_use]
    pub const fn source(self) -> u8 {
        if cfg!(target_endian = "little") { self.registers >> 4 } else { self.registers & 15 }
    }
}

/// Why the kernel did not take a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadError {
    /// `EPERM` without CAP_BPF or CAP_SYS_ADMIN in the first user namespace; `EINVAL`, `EACCES` from the verifier.
    pub errno: Errno,
    /// The verifier's words, empty when it has none.
    pub log: String,
}

/// `union bpf_attr` for `BPF_PROG_LOAD`, up to and with the name.
#[repr(C)]
struct LoadAttr {
    prog_type: u32,
    insn_count: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buffer: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
}

/// `union bpf_attr` for `BPF_PROG_ATTACH` and `BPF_PROG_DETACH`.
#[repr(C)]
struct AttachAttr {
    target: u32,
    program: u32,
    attach_type: u32,
    flags: u32,
    replace: u32,
}

/// `union bpf_attr` for `BPF_PROG_QUERY`. With all of today's fields: Linux 6.17 to 7.1 write `revision` whatever
/// size they are given.
#[repr(C)]
struct QueryAttr {
    target: u32,
    attach_type: u32,
    query_flags: u32,
    attach_flags: u32,
    ids: u64,
    count: u32,
    padding: u32,
    program_attach_flags: u64,
    link_ids: u64,
    link_attach_flags: u64,
    revision: u64,
}

fn bpf<T>(command: libc::c_int, attr: &mut T) -> nix::Result<libc::c_long> {
    // SAFETY: attr is one of the structures above, which lay out the command's part of bpf_attr; every address in it
    // points to a buffer that the caller of this function holds, with the length that stands beside it.
    check(unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attr), size_of::<T>()) })
}

fn bpf_fd<T>(command: libc::c_int, attr: &mut T) -> nix::Result<OwnedFd> {
    let fd = bpf(command, attr)?;
    // SAFETY: the command succeeded and its result is a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

fn load(insns: &[Insn], log: &mut [u8]) -> nix::Result<OwnedFd> {
    let mut attr = LoadAttr {
        prog_type: PROG_TYPE_CGROUP_DEVICE,
        insn_count: u32::try_from(insns.len()).map_err(|_| Errno::E2BIG)?,
        insns: insns.as_ptr() as u64,
        // Not GPL-compatible, so no helper that asks for it: the program calls none.
        license: c"Apache-2.0".as_ptr() as u64,
        log_level: u32::from(!log.is_empty()),
        log_size: u32::try_from(log.len()).map_err(|_| Errno::E2BIG)?,
        log_buffer: if log.is_empty() { 0 } else { log.as_mut_ptr() as u64 },
        kernel_version: 0,
        flags: 0,
        name: *b"skiff_devices\0\0\0",
    };
    let mut result = Err(Errno::EAGAIN);
    for _ in 0..LOAD_ATTEMPTS {
        result = bpf_fd(PROG_LOAD, &mut attr);
        if !matches!(result, Err(Errno::EAGAIN)) {
            break;
        }
    }
    result
}

/// Loads a program of type `BPF_PROG_TYPE_CGROUP_DEVICE` (Linux 4.15).
///
/// # Errors
/// As bpf(2), with the verifier's log.
pub fn prog_load_cgroup_device(insns: &[Insn]) -> Result<OwnedFd, LoadError> {
    let errno = match load(insns, &mut []) {
        Ok(program) => return Ok(program),
        Err(errno @ Errno::EPERM) => return Err(LoadError { errno, log: String::new() }),
        Err(errno) => errno,
    };
    let mut log = vec![0; LOG_SIZE];
    match load(insns, &mut log) {
        Ok(program) => Ok(program),
        Err(_) => {
            let length = log.iter().position(|byte| *byte == 0).unwrap_or(LOG_SIZE);
            let log = String::from_utf8_lossy(log.get(..length).unwrap_or_default()).trim_end().to_owned();
            Err(LoadError { errno, log })
        }
    }
}

fn attach_attr(cgroup: BorrowedFd<'_>, program: BorrowedFd<'_>) -> AttachAttr {
    AttachAttr {
        target: cgroup.as_raw_fd() as u32,
        program: program.as_raw_fd() as u32,
        attach_type: CGROUP_DEVICE,
        flags: 0,
        replace: 0,
    }
}

/// Attaches a device program to the cgroup directory, beside the programs of its ancestors (all must allow an
/// access), in the place of `replaced` if that is given (Linux 5.6).
///
/// # Errors
/// As bpf(2); `EPERM` if an ancestor has a program that admits no others.
pub fn prog_attach(cgroup: BorrowedFd<'_>, program: BorrowedFd<'_>, replaced: Option<BorrowedFd<'_>>) -> nix::Result<()> {
    let mut attr = attach_attr(cgroup, program);
    attr.flags = F_ALLOW_MULTI;
    if let Some(replaced) = replaced {
        attr.flags |= F_REPLACE;
        attr.replace = replaced.as_raw_fd() as u32;
    }
    bpf(PROG_ATTACH, &mut attr).map(drop)
}

/// Detaches a device program.
///
/// # Errors
/// `ENOENT` if it is not attached there.
pub fn prog_detach(cgroup: BorrowedFd<'_>, program: BorrowedFd<'_>) -> nix::Result<()> {
    bpf(PROG_DETACH, &mut attach_attr(cgroup, program)).map(drop)
}

/// The device programs attached to the cgroup itself, not to its ancestors.
///
/// # Errors
/// As bpf(2).
pub fn prog_attached(cgroup: BorrowedFd<'_>) -> nix::Result<Vec<OwnedFd>> {
    let mut ids = [0u32; MAX_PROGRAMS];
    let mut attr = QueryAttr {
        target: cgroup.as_raw_fd() as u32,
        attach_type: CGROUP_DEVICE,
        query_flags: 0,
        attach_flags: 0,
        ids: ids.as_mut_ptr() as u64,
        count: ids.len() as u32,
        padding: 0,
        program_attach_flags: 0,
        link_ids: 0,
        link_attach_flags: 0,
        revision: 0,
    };
    bpf(PROG_QUERY, &mut attr)?;
    ids.iter().take(attr.count as usize).map(|&id| bpf_fd(PROG_GET_FD_BY_ID, &mut { id })).collect()
}
