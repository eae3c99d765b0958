//! Descriptors over a Unix socket: one message, one descriptor.

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Clients read names of up to 4,095 bytes.
const NAME_MAX: usize = 4096;

/// Sends `fd` in one message whose payload is `name`, which may not be empty.
///
/// # Errors
/// As sendmsg(2); `EPIPE` when the other side is gone, without a signal.
pub fn send_fd(socket: BorrowedFd<'_>, fd: BorrowedFd<'_>, name: &[u8]) -> nix::Result<()> {
    let fds = [fd.as_raw_fd()];
    let rights = [ControlMessage::ScmRights(&fds)];
    loop {
        match sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(name)], &rights, MsgFlags::MSG_NOSIGNAL, None) {
            Err(Errno::EINTR) => {}
            other => return other.map(drop),
        }
    }
}

/// Takes one message with one descriptor, which comes close-on-exec.
///
/// # Errors
/// As recvmsg(2); `ENOMSG` at end of file; `EPROTO` for a message with none or several, all of which are closed.
pub fn receive_fd(socket: BorrowedFd<'_>) -> nix::Result<OwnedFd> {
    let mut name = [0; NAME_MAX];
    let mut space = cmsg_space!([RawFd; 8]);
    let (length, fds) = loop {
        let mut parts = [IoSliceMut::new(&mut name)];
        match recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC) {
            Err(Errno::EINTR) => {}
            other => {
                let message = other?;
                break (message.bytes, message.cmsgs()?.filter_map(rights).flatten().collect::<Vec<_>>());
            }
        }
    };
    // Owned before anything is decided, so that none is left open.
    let mut fds: Vec<OwnedFd> = fds.into_iter().map(own).collect();
    match (fds.pop(), fds.is_empty(), length) {
        (Some(fd), true, _) => Ok(fd),
        (None, _, 0) => Err(Errno::ENOMSG),
        _ => Err(Errno::EPROTO),
    }
}

fn rights(message: ControlMessageOwned) -> Option<Vec<RawFd>> {
    match message {
        ControlMessageOwned::ScmRights(fds) => Some(fds),
        _ => None,
    }
}

fn own(fd: RawFd) -> OwnedFd {
    // SAFETY: the kernel has just made this descriptor for the message, and nobody else knows it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Receives one message into `buffer`: its length, 0 at end of file, and the descriptor that came along, close-on-exec.
///
/// # Errors
/// As recvmsg(2); `EPROTO` for more than one descriptor, all of which are closed.
pub fn receive_with_fd(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> nix::Result<(usize, Option<OwnedFd>)> {
    let mut space = nix::cmsg_space!([RawFd; 1]);
    let mut parts = [IoSliceMut::new(buffer)];
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC)?;
    let length = message.bytes;
    let mut received: Vec<OwnedFd> = Vec::new();
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(fds) = control {
            // SAFETY: the kernel has just made these descriptors for us, and nobody else owns them.
            received.extend(fds.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
        }
    }
    match received.len() {
        0 | 1 => Ok((length, received.pop())),
        _ => Err(Errno::EPROTO),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
    use std::io::{Read, Write};
    use std::os::fd::AsFd;

    fn pair() -> (OwnedFd, OwnedFd) {
        socketpair(AddressFamily::Unix, SockType::Stream, None, SockFlag::SOCK_CLOEXEC).unwrap()
    }

    #[test]
    fn a_descriptor_crosses_close_on_exec() {
        let (here, there) = pair();
        let (mut reader, writer) = std::io::pipe().unwrap();
        send_fd(here.as_fd(), writer.as_fd(), b"name").unwrap();
        drop(writer);
        let received = receive_fd(there.as_fd()).unwrap();
        let flags = nix::fcntl::fcntl(&received, nix::fcntl::FcntlArg::F_GETFD).unwrap();
        assert_eq!(flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
        std::fs::File::from(received).write_all(b"through").unwrap();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "through");
    }

    #[test]
    fn nothing_and_plain_bytes_are_told_apart() {
        let (here, there) = pair();
        nix::unistd::write(&here, b"no descriptor").unwrap();
        assert_eq!(receive_fd(there.as_fd()).unwrap_err(), Errno::EPROTO);
        drop(here);
        assert_eq!(receive_fd(there.as_fd()).unwrap_err(), Errno::ENOMSG);
        assert_eq!(send_fd(there.as_fd(), there.as_fd(), b"x").unwrap_err(), Errno::EPIPE);
    }
}
