//! Whether a file of ours can be written through the descriptor that a container may get hold of (CVE-2019-5736).

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::statfs::statfs;
use nix::sys::statvfs::FsFlags;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

const ALL_SEALS: SealFlag =
    SealFlag::F_SEAL_SEAL.union(SealFlag::F_SEAL_SHRINK).union(SealFlag::F_SEAL_GROW).union(SealFlag::F_SEAL_WRITE);

/// The file at `path` is reached through a read-only mount.
///
/// # Errors
/// As statfs(2).
pub fn on_read_only_mount(path: &str) -> nix::Result<bool> {
    Ok(statfs(path)?.flags().contains(FsFlags::ST_RDONLY))
}

/// The file is a memfd with every seal on it.
#[must_use]
pub fn sealed(file: impl AsFd) -> bool {
    fcntl(file, FcntlArg::F_GET_SEALS).is_ok_and(|seals| SealFlag::from_bits_truncate(seals).contains(ALL_SEALS))
}

/// A sealed copy of the file in memory, executable by descriptor.
///
/// # Errors
/// As memfd_create(2), sendfile(2), fcntl(2).
pub fn sealed_copy(file: &mut File) -> nix::Result<OwnedFd> {
    let allow_exec = MFdFlags::from_bits_retain(libc::MFD_EXEC);
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    // MFD_EXEC is unknown before Linux 6.3, where every memfd is executable.
    let copy = match memfd_create(c"skiff", flags | allow_exec) {
        Err(Errno::EINVAL) => memfd_create(c"skiff", flags)?,
        other => other?,
    };
    let mut copy = File::from(copy);
    std::io::copy(file, &mut copy).map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))?;
    fcntl(&copy, FcntlArg::F_ADD_SEALS(ALL_SEALS))?;
    Ok(copy.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_sealed_copy_cannot_be_written() {
        let mut source = File::open("/proc/self/exe").unwrap();
        let copy = sealed_copy(&mut source).unwrap();
        assert!(sealed(&copy));
        assert!(!sealed(&source));
        assert_eq!(File::from(copy).write(b"x").unwrap_err().raw_os_error(), Some(libc::EPERM));
    }
}
