//! The raw kernel calls that skiff needs and nix lacks, as safe functions over borrowed and owned descriptors.
//! Nearly all `unsafe` of the project lives here, one call a block. Both sides of a launch use it.
#![allow(unsafe_code)]

pub mod bpf;
mod clone;
mod credentials;
mod exec;
mod fd;
pub mod mount;
mod net;
mod pidfd;
mod seal;
mod signal;
mod system;

pub use clone::{Clone3, Cloned, clone3};
pub use credentials::{CapSets, capset, drop_bounding, raise_ambient, set_groups, set_ids, set_rlimit};
pub use exec::{exit_now, execve, execveat_fd};
pub use fd::{clear_cloexec, close_from, close_range, is_open, pending_bytes, seqpacket_pair};
pub use net::loopback_up;
pub use pidfd::{pidfd_open, pidfd_send_signal};
pub use seal::{on_read_only_mount, sealed, sealed_copy};
pub use signal::{empty_mask, reset_dispositions};
pub use system::{cwd_is_reachable, reap_any, set_domain_name};

use nix::errno::Errno;

/// The errno in the words that clients match: lower case, as Go prints it (`no such file or directory`).
#[must_use]
pub fn errno_text(errno: Errno) -> String {
    errno.desc().to_lowercase()
}

/// The result of a raw system call: minus one means errno.
pub(crate) fn check(result: libc::c_long) -> nix::Result<libc::c_long> {
    Errno::result(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errno_words_are_those_that_clients_match() {
        assert_eq!(errno_text(Errno::ENOENT), "no such file or directory");
        assert_eq!(errno_text(Errno::EACCES), "permission denied");
        assert_eq!(errno_text(Errno::EPERM), "operation not permitted");
        assert_eq!(errno_text(Errno::ESRCH), "no such process");
    }
}
