//! What parent and init say to each other during create, on one SOCK_SEQPACKET pair: packets of one fixed size, no
//! serialisation format. `docs/protocol.md` tells the order and the reasons. A row that a plan does not need is never sent.
//!
//! | init says | parent answers |
//! |---|---|
//! | - | `Placed`: only where init could not be cloned into its cgroup |
//! | `Ready` | `LimitYourself` (then init says `Ready` again), or `Committed` |
//! | `Failed { step, errno, argument }` | - |

use crate::steps::Fault;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, send};
use std::os::fd::{AsRawFd, OwnedFd};

/// Size of every packet, in bytes.
const SIZE: usize = 512;
/// Longest argument of a `Failed`, in bytes; longer ones are cut.
const TEXT: usize = SIZE - HEADER;
const HEADER: usize = 10;

const PLACED: u8 = 1;
const COMMITTED: u8 = 2;
const LIMIT_YOURSELF: u8 = 3;
const READY: u8 = 0x81;
const FAILED: u8 = 0x82;

/// What init says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FromInit {
    /// Everything that can fail before the handler has succeeded.
    Ready,
    /// A step failed; init ends.
    Failed(Failure),
}

/// What the parent says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FromParent {
    /// init is in its cgroups.
    Placed,
    /// The parent may not set init's resource limits (no CAP_SYS_RESOURCE over another user's process).
    LimitYourself,
    /// The state is recorded: whatever happens to the parent now, the container exists.
    Committed,
}

/// A failed step as it crosses the socket.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// See [`crate::steps::Step::number`].
    pub step: u16,
    /// What and why.
    pub fault: Fault,
}

/// One end of the pair.
#[derive(Debug)]
pub(crate) struct Sync(pub OwnedFd);

impl Sync {
    fn send(&self, packet: &[u8; SIZE]) -> nix::Result<()> {
        send(self.0.as_raw_fd(), packet, MsgFlags::MSG_NOSIGNAL).map(drop)
    }

    /// `None` at end of file: the other side is gone.
    fn receive(&self) -> nix::Result<Option<[u8; SIZE]>> {
        let mut packet = [0; SIZE];
        loop {
            match recv(self.0.as_raw_fd(), &mut packet, MsgFlags::empty()) {
                Err(Errno::EINTR) => {}
                Ok(SIZE) => return Ok(Some(packet)),
                Ok(0) | Err(Errno::ECONNRESET) => return Ok(None),
                Ok(_) => return Err(Errno::EPROTO),
                Err(errno) => return Err(errno),
            }
        }
    }

    pub(crate) fn tell_init(&self, message: FromParent) -> nix::Result<()> {
        let kind = match message {
            FromParent::Placed => PLACED,
            FromParent::LimitYourself => LIMIT_YOURSELF,
            FromParent::Committed => COMMITTED,
        };
        self.send(&packet(kind))
    }

    pub(crate) fn hear_parent(&self) -> nix::Result<Option<FromParent>> {
        let Some(packet) = self.receive()? else { return Ok(None) };
        match packet[0] {
            PLACED => Ok(Some(FromParent::Placed)),
            LIMIT_YOURSELF => Ok(Some(FromParent::LimitYourself)),
            COMMITTED => Ok(Some(FromParent::Committed)),
            _ => Err(Errno::EPROTO),
        }
    }

    pub(crate) fn ready(&self) -> nix::Result<()> {
        self.send(&packet(READY))
    }

    pub(crate) fn failed(&self, step: u16, fault: &Fault) -> nix::Result<()> {
        let mut bytes = packet(FAILED);
        let text = &fault.argument.as_bytes()[..fault.argument.len().min(TEXT)];
        bytes[2..4].copy_from_slice(&step.to_ne_bytes());
        bytes[4..8].copy_from_slice(&(fault.errno as i32).to_ne_bytes());
        bytes[8..10].copy_from_slice(&(text.len() as u16).to_ne_bytes());
        bytes[HEADER..HEADER + text.len()].copy_from_slice(text);
        self.send(&bytes)
    }

    pub(crate) fn hear_init(&self) -> nix::Result<Option<FromInit>> {
        let Some(packet) = self.receive()? else { return Ok(None) };
        match packet[0] {
            READY => Ok(Some(FromInit::Ready)),
            FAILED => Ok(Some(FromInit::Failed(failure(&packet)))),
            _ => Err(Errno::EPROTO),
        }
    }
}

fn packet(kind: u8) -> [u8; SIZE] {
    let mut packet = [0; SIZE];
    packet[0] = kind;
    packet
}

fn failure(packet: &[u8; SIZE]) -> Failure {
    let word = |at: usize| u16::from_ne_bytes([packet[at], packet[at + 1]]);
    let errno = i32::from_ne_bytes([packet[4], packet[5], packet[6], packet[7]]);
    let end = HEADER + usize::from(word(8)).min(TEXT);
    let argument = String::from_utf8_lossy(&packet[HEADER..end]).into_owned();
    Failure { step: word(2), fault: Fault { errno: Errno::from_raw(errno), argument } }
}

/// A connected pair: the parent's end and init's.
pub(crate) fn pair() -> nix::Result<(Sync, Sync)> {
    let (parent, init) = skiff_sys::seqpacket_pair()?;
    Ok((Sync(parent), Sync(init)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_message_arrives_as_it_was_sent() {
        let (parent, init) = pair().unwrap();
        for message in [FromParent::Placed, FromParent::LimitYourself, FromParent::Committed] {
            parent.tell_init(message).unwrap();
            assert_eq!(init.hear_parent().unwrap(), Some(message));
        }
        init.ready().unwrap();
        assert_eq!(parent.hear_init().unwrap(), Some(FromInit::Ready));
        let fault = Fault { errno: Errno::ENOENT, argument: "x".repeat(600) };
        init.failed(7, &fault).unwrap();
        let cut = Fault { argument: "x".repeat(TEXT), ..fault };
        assert_eq!(parent.hear_init().unwrap(), Some(FromInit::Failed(Failure { step: 7, fault: cut })));
    }

    #[test]
    fn a_gone_side_is_the_end_and_not_an_error() {
        let (parent, init) = pair().unwrap();
        drop(init);
        assert_eq!(parent.hear_init().unwrap(), None);
    }

    #[test]
    fn a_strange_packet_is_a_protocol_error() {
        let (parent, init) = pair().unwrap();
        init.send(&packet(77)).unwrap();
        assert_eq!(parent.hear_init(), Err(Errno::EPROTO));
        nix::unistd::write(&init.0, b"short").unwrap();
        assert_eq!(parent.hear_init(), Err(Errno::EPROTO));
    }
}
