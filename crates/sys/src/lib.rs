//! The raw kernel calls that skiff needs and nix lacks, as safe functions over borrowed and owned descriptors.
//! Nearly all `unsafe` of the project lives here, one call a block. Both sides of a launch use it.
#![allow(unsafe_code)]

mod args;
pub mod bpf;
mod clone;
mod credentials;
mod exec;
mod fd;
mod file;
pub mod mount;
mod namespace;
mod net;
mod pass;
mod pidfd;
mod pty;
mod seal;
pub mod seccomp;
mod signal;
mod spawn;
mod system;

pub use args::{Args, execute_again};
pub use clone::{CLONE_CLEAR_SIGHAND, Clone3, Cloned, clone3};
pub use credentials::{CapSets, capset, drop_bounding, raise_ambient, set_groups, set_ids, set_rlimit};
pub use exec::{execve, exit_now};
pub use fd::{clear_cloexec, close_from, close_range, is_open, leave_open, pending_bytes, seqpacket_pair};
pub use file::read_whole;
pub use namespace::{SharedProgram, join_session_keyring, set_personality};
pub use net::loopback_up;
pub use pass::{receive_fd, receive_with_fd, send_fd};
pub use pidfd::{pidfd_open, pidfd_send_signal};
pub use pty::{copy_window_size, pty_slave, set_window_size, take_controlling_terminal, unlock_pty, window_size};
pub use seal::{on_read_only_mount, sealed, sealed_copy};
pub use signal::{empty_mask, reap_children_at_once, reset_dispositions, wait_signal};
pub use spawn::{End, Program, Spawned, Step, spawn};
pub use system::{cwd_is_reachable, reap_any, run_anywhere, set_domain_name, set_umask};

use nix::errno::Errno;

/// The errno in the words that clients match: lower case, as Go prints it (`no such file or directory`).
#[must_use]
pub fn errno_text(errno: Errno) -> String {
    match errno {
        // nix has the words of mathematicians.
        Errno::ERANGE => "numerical result out of range".to_owned(),
        _ => errno.desc().to_lowercase(),
    }
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
        assert_eq!(errno_text(Errno::ERANGE), "numerical result out of range");
        assert_eq!(errno_text(Errno::EPERM), "operation not permitted");
        assert_eq!(errno_text(Errno::ESRCH), "no such process");
    }
}
