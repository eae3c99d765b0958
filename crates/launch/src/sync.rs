//! What parent and init say to each other during create, on one SOCK_SEQPACKET pair: packets of one fixed size, no
//! serialisation format. `docs/protocol.md` tells the order and the reasons. A row that a plan does not need is never sent.
//!
//! | init says | parent answers |
//! |---|---|
//! | - | `Placed`: only where init cannot begin before the parent has done something to it |
//! | `Cloned { pid }` + pidfd | `Placed`, to the one cloned: only from a process in between, which ends then |
//! | `RootReady` | runs hooks, then `HooksDone` |
//! | `Module { digest }` + its file | `Compiled`, with a descriptor where there is compiled code |
//! | - | `SeccompReady { length }`: compiled meanwhile, at any time before it is needed |
//! | `Ready` | `LimitYourself` (then init says `Ready` again), or `Committed` |
//! | `Failed { step, errno, argument }` | - |

use crate::process::Child;
use crate::steps::Fault;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, send};
use nix::unistd::Pid;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Size of every packet, in bytes.
const SIZE: usize = 512;
/// Longest argument of a `Failed`, in bytes; longer ones are cut.
const TEXT: usize = SIZE - HEADER;
const HEADER: usize = 10;
/// Length of a SHA-256.
const DIGEST: usize = 32;

const PLACED: u8 = 1;
const COMMITTED: u8 = 2;
const LIMIT_YOURSELF: u8 = 3;
const HOOKS_DONE: u8 = 4;
const SECCOMP_READY: u8 = 5;
const COMPILED: u8 = 6;
const READY: u8 = 0x81;
const FAILED: u8 = 0x82;
const CLONED: u8 = 0x83;
const ROOT_READY: u8 = 0x84;
const MODULE: u8 = 0x85;

/// What init says.
#[derive(Debug)]
pub(crate) enum FromInit {
    /// Everything that can fail before the handler has succeeded.
    Ready,
    /// A step failed; init ends.
    Failed(Failure),
    /// Everything is mounted, and the host's root is still there.
    RootReady,
    /// A module with this SHA-256 shall run: is there compiled code?
    Module([u8; DIGEST], OwnedFd),
    /// The process that was cloned first has cloned the one that is meant, as a child of the parent, and ends.
    Cloned(Child),
}

/// What the parent says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FromParent {
    /// init is in its cgroups.
    Placed,
    /// The parent may not set init's resource limits (no CAP_SYS_RESOURCE over another user's process).
    LimitYourself,
    /// The hooks that were due have succeeded.
    HooksDone,
    /// The seccomp program is stored in the shared memory: so many instructions.
    SeccompReady(u16),
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
    /// init's side, by write(2): a seccomp profile may be in force that forbids sockets. With its parent gone SIGPIPE ends it,
    /// as it should.
    fn write(&self, packet: &[u8; SIZE]) -> nix::Result<()> {
        nix::unistd::write(&self.0, packet).map(drop)
    }

    /// init's side, by read(2). `None` at end of file: the other side is gone.
    fn receive(&self) -> nix::Result<Option<[u8; SIZE]>> {
        let mut packet = [0; SIZE];
        loop {
            match nix::unistd::read(&self.0, &mut packet) {
                Err(Errno::EINTR) => {}
                Ok(SIZE) => return Ok(Some(packet)),
                Ok(0) | Err(Errno::ECONNRESET) => return Ok(None),
                Ok(_) => return Err(Errno::EPROTO),
                Err(errno) => return Err(errno),
            }
        }
    }

    /// With the descriptor that may come along: the parent's side, and init's before a seccomp profile is in force.
    fn receive_with_fd(&self) -> nix::Result<Option<([u8; SIZE], Option<OwnedFd>)>> {
        let mut packet = [0; SIZE];
        loop {
            match skiff_sys::receive_with_fd(self.0.as_fd(), &mut packet) {
                // Reset once, where init ended with something of ours unread; what it said last comes after.
                Err(Errno::EINTR | Errno::ECONNRESET) => {}
                Ok((SIZE, fd)) => return Ok(Some((packet, fd))),
                Ok((0, _)) => return Ok(None),
                Ok(_) => return Err(Errno::EPROTO),
                Err(errno) => return Err(errno),
            }
        }
    }

    pub(crate) fn tell_init(&self, message: FromParent) -> nix::Result<()> {
        let mut bytes = packet(match message {
            FromParent::Placed => PLACED,
            FromParent::LimitYourself => LIMIT_YOURSELF,
            FromParent::HooksDone => HOOKS_DONE,
            FromParent::SeccompReady(_) => SECCOMP_READY,
            FromParent::Committed => COMMITTED,
        });
        if let FromParent::SeccompReady(length) = message {
            bytes[2..4].copy_from_slice(&length.to_ne_bytes());
        }
        send(self.0.as_raw_fd(), &bytes, MsgFlags::MSG_NOSIGNAL).map(drop)
    }

    /// The answer to [`FromInit::Module`].
    pub(crate) fn tell_compiled(&self, code: Option<&OwnedFd>) -> nix::Result<()> {
        let packet = packet(COMPILED);
        match code {
            Some(code) => skiff_sys::send_fd(self.0.as_fd(), code.as_fd(), &packet),
            None => send(self.0.as_raw_fd(), &packet, MsgFlags::MSG_NOSIGNAL).map(drop),
        }
    }

    /// init's side, before a seccomp profile is in force: asks for the compiled code of a module. `SeccompReady` may come before
    /// the answer; then it is handed to `ready`.
    pub(crate) fn ask_compiled(
        &self,
        digest: [u8; DIGEST],
        module: BorrowedFd<'_>,
        ready: &dyn Fn(u16),
    ) -> nix::Result<Option<OwnedFd>> {
        let mut question = packet(MODULE);
        question[HEADER..HEADER + DIGEST].copy_from_slice(&digest);
        skiff_sys::send_fd(self.0.as_fd(), module, &question)?;
        loop {
            match self.receive_with_fd()? {
                Some((packet, fd)) if packet[0] == COMPILED => return Ok(fd),
                Some((packet, None)) if packet[0] == SECCOMP_READY => ready(word(&packet, 2)),
                Some(_) => return Err(Errno::EPROTO),
                None => return Err(Errno::EPIPE),
            }
        }
    }

    pub(crate) fn hear_parent(&self) -> nix::Result<Option<FromParent>> {
        let Some(packet) = self.receive()? else { return Ok(None) };
        match packet[0] {
            PLACED => Ok(Some(FromParent::Placed)),
            LIMIT_YOURSELF => Ok(Some(FromParent::LimitYourself)),
            HOOKS_DONE => Ok(Some(FromParent::HooksDone)),
            SECCOMP_READY => Ok(Some(FromParent::SeccompReady(word(&packet, 2)))),
            COMMITTED => Ok(Some(FromParent::Committed)),
            _ => Err(Errno::EPROTO),
        }
    }

    pub(crate) fn ready(&self) -> nix::Result<()> {
        self.write(&packet(READY))
    }

    pub(crate) fn root_ready(&self) -> nix::Result<()> {
        self.write(&packet(ROOT_READY))
    }

    pub(crate) fn cloned(&self, child: &Child) -> nix::Result<()> {
        let mut bytes = packet(CLONED);
        bytes[4..8].copy_from_slice(&child.pid.as_raw().to_ne_bytes());
        skiff_sys::send_fd(self.0.as_fd(), child.pidfd.as_fd(), &bytes)
    }

    pub(crate) fn failed(&self, step: u16, fault: &Fault) -> nix::Result<()> {
        let mut bytes = packet(FAILED);
        let text = &fault.argument.as_bytes()[..fault.argument.len().min(TEXT)];
        bytes[2..4].copy_from_slice(&step.to_ne_bytes());
        bytes[4..8].copy_from_slice(&(fault.errno as i32).to_ne_bytes());
        bytes[8..10].copy_from_slice(&(text.len() as u16).to_ne_bytes());
        bytes[HEADER..HEADER + text.len()].copy_from_slice(text);
        self.write(&bytes)
    }

    pub(crate) fn hear_init(&self) -> nix::Result<Option<FromInit>> {
        let Some((packet, fd)) = self.receive_with_fd()? else { return Ok(None) };
        match (packet[0], fd) {
            (READY, None) => Ok(Some(FromInit::Ready)),
            (ROOT_READY, None) => Ok(Some(FromInit::RootReady)),
            (FAILED, None) => Ok(Some(FromInit::Failed(failure(&packet)))),
            (MODULE, Some(file)) => Ok(Some(FromInit::Module(digest(&packet), file))),
            (CLONED, Some(pidfd)) => Ok(Some(FromInit::Cloned(Child { pid: Pid::from_raw(number(&packet)), pidfd }))),
            _ => Err(Errno::EPROTO),
        }
    }
}

fn packet(kind: u8) -> [u8; SIZE] {
    let mut packet = [0; SIZE];
    packet[0] = kind;
    packet
}

fn word(packet: &[u8; SIZE], at: usize) -> u16 {
    u16::from_ne_bytes([packet[at], packet[at + 1]])
}

fn number(packet: &[u8; SIZE]) -> i32 {
    i32::from_ne_bytes([packet[4], packet[5], packet[6], packet[7]])
}

fn digest(packet: &[u8; SIZE]) -> [u8; DIGEST] {
    std::array::from_fn(|at| packet[HEADER + at])
}

fn failure(packet: &[u8; SIZE]) -> Failure {
    let end = HEADER + usize::from(word(packet, 8)).min(TEXT);
    let argument = String::from_utf8_lossy(&packet[HEADER..end]).into_owned();
    Failure { step: word(packet, 2), fault: Fault { errno: Errno::from_raw(number(packet)), argument } }
}

/// A connected pair: init's end and the parent's. init's is the lower number, beside the FIFO's: one call less to close all
/// others.
pub(crate) fn pair() -> nix::Result<(Sync, Sync)> {
    let (init, parent) = skiff_sys::seqpacket_pair()?;
    Ok((Sync(init), Sync(parent)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_message_arrives_as_it_was_sent() {
        let (init, parent) = pair().unwrap();
        let all = [
            FromParent::Placed,
            FromParent::LimitYourself,
            FromParent::HooksDone,
            FromParent::SeccompReady(4096),
            FromParent::Committed,
        ];
        for message in all {
            parent.tell_init(message).unwrap();
            assert_eq!(init.hear_parent().unwrap(), Some(message));
        }
        init.ready().unwrap();
        assert!(matches!(parent.hear_init().unwrap(), Some(FromInit::Ready)));
        let fault = Fault { errno: Errno::ENOENT, argument: "x".repeat(600) };
        init.failed(7, &fault).unwrap();
        let cut = Fault { argument: "x".repeat(TEXT), ..fault };
        let Some(FromInit::Failed(failure)) = parent.hear_init().unwrap() else { panic!("not a failure") };
        assert_eq!(failure, Failure { step: 7, fault: cut });
    }

    #[test]
    fn a_cloned_process_arrives_with_its_descriptor() {
        let (init, parent) = pair().unwrap();
        let me = std::process::id();
        let child = Child { pid: Pid::from_raw(me as i32), pidfd: skiff_sys::pidfd_open(me).unwrap() };
        init.cloned(&child).unwrap();
        let Some(FromInit::Cloned(heard)) = parent.hear_init().unwrap() else { panic!("not a child") };
        assert_eq!(heard.pid, child.pid);
        skiff_sys::pidfd_send_signal(heard.pidfd.as_fd(), 0).unwrap();
    }

    #[test]
    fn compiled_code_is_asked_for_and_may_come() {
        let (init, parent) = pair().unwrap();
        let module = std::fs::File::open("/dev/null").unwrap();
        let code = OwnedFd::from(std::fs::File::open("/dev/zero").unwrap());
        for code in [Some(code), None] {
            // As it may overtake the answer.
            parent.tell_init(FromParent::SeccompReady(7)).unwrap();
            parent.tell_compiled(code.as_ref()).unwrap();
            let ready = std::cell::Cell::new(0);
            let heard = init.ask_compiled([9; DIGEST], module.as_fd(), &|length| ready.set(length)).unwrap();
            assert_eq!((heard.is_some(), ready.get()), (code.is_some(), 7));
            let Some(FromInit::Module(digest, _)) = parent.hear_init().unwrap() else { panic!("not a module") };
            assert_eq!(digest, [9; DIGEST]);
        }
    }

    #[test]
    fn a_gone_side_is_the_end_and_not_an_error() {
        let (init, parent) = pair().unwrap();
        drop(init);
        assert!(parent.hear_init().unwrap().is_none());
    }

    #[test]
    fn last_words_are_heard_though_ours_were_not() {
        let (init, parent) = pair().unwrap();
        parent.tell_init(FromParent::SeccompReady(1)).unwrap();
        init.failed(3, &Fault::from(Errno::EPERM)).unwrap();
        drop(init);
        assert!(matches!(parent.hear_init().unwrap(), Some(FromInit::Failed(_))));
        assert!(parent.hear_init().unwrap().is_none());
    }

    #[test]
    fn a_strange_packet_is_a_protocol_error() {
        let (init, parent) = pair().unwrap();
        init.write(&packet(77)).unwrap();
        assert_eq!(parent.hear_init().unwrap_err(), Errno::EPROTO);
        nix::unistd::write(&init.0, b"short").unwrap();
        assert_eq!(parent.hear_init().unwrap_err(), Errno::EPROTO);
    }
}
