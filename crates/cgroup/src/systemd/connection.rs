//! One connection to a bus or to a manager of systemd: authentication and whole messages, by a socket and poll(2). The messages
//! are rustbus', the connection is not (docs/decisions/0006): it must work from inside a user namespace, keep a deadline,
//! outlive a peer that goes away, and leave SIGPIPE alone.

use super::UnitError;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{self, AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};
use rustbus::message_builder::MarshalledMessage;
use rustbus::wire::{marshal, unmarshal};
use skiff_sys::errno_text;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// Bytes of a message before the fields of its header (D-Bus Specification, "Message Format").
const FIXED: usize = 16;
/// No answer of a manager comes near; the specification allows 128 MiB.
const LONGEST: usize = 1 << 24;
/// The longest line of the authentication.
const LONGEST_LINE: usize = 1 << 12;

/// Authenticated, and not yet introduced to a bus.
#[derive(Debug)]
pub(super) struct Connection {
    socket: OwnedFd,
    /// How long everything may take together, and until when that is.
    patience: Duration,
    deadline: Instant,
    /// Read and not yet taken.
    input: Vec<u8>,
    /// To be written with the next flush.
    output: Vec<u8>,
    serial: u32,
}

fn broken(errno: Errno) -> UnitError {
    UnitError::Connection(errno_text(errno))
}

fn nonsense(error: impl std::fmt::Display) -> UnitError {
    UnitError::Connection(format!("a message that is not D-Bus: {error}"))
}

impl Connection {
    /// Connects, and says who we are; both may take `patience` at most, and so may all that follows.
    ///
    /// # Errors
    /// [`UnitError::Connection`], [`UnitError::Timeout`].
    pub(super) fn open(address: &UnixAddr, patience: Duration) -> Result<Connection, UnitError> {
        let deadline = Instant::now() + patience;
        let socket = socket::socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).map_err(broken)?;
        // So long connect(2) waits for a listener with too many callers, unix(7).
        let timeout = TimeVal::milliseconds(i64::try_from(patience.as_millis()).unwrap_or(i64::MAX));
        socket::setsockopt(&socket, sockopt::SendTimeout, &timeout).map_err(broken)?;
        let mut connection = Connection { socket, patience, deadline, input: Vec::new(), output: Vec::new(), serial: 0 };
        loop {
            match socket::connect(connection.socket.as_raw_fd(), address) {
                Ok(()) => break,
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Err(connection.too_late()),
                Err(errno) => return Err(broken(errno)),
            }
        }
        connection.authenticate()?;
        Ok(connection)
    }

    /// Leaves it to the peer to know who we are: in a user namespace we would name a user that it has never heard of.
    fn authenticate(&mut self) -> Result<(), UnitError> {
        self.output.extend_from_slice(b"\0AUTH EXTERNAL\r\n");
        loop {
            self.flush()?;
            let line = self.line()?;
            match line.split(' ').next() {
                // Some ask for the name of the user all the same. An empty one will do.
                Some("DATA") => self.output.extend_from_slice(b"DATA\r\n"),
                Some("OK") => {
                    self.output.extend_from_slice(b"BEGIN\r\n");
                    return Ok(());
                }
                _ => return Err(UnitError::Connection(format!("authentication: {line}"))),
            }
        }
    }

    fn line(&mut self) -> Result<String, UnitError> {
        loop {
            if let Some(end) = self.input.windows(2).position(|pair| pair == b"\r\n") {
                let line = self.input.drain(..end + 2).take(end).collect::<Vec<u8>>();
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            if self.input.len() > LONGEST_LINE {
                return Err(nonsense("an endless line"));
            }
            self.fill()?;
        }
    }

    /// Sends a message with the next [`Connection::flush`]; its serial number, which the answer will bear.
    ///
    /// # Errors
    /// A message that D-Bus does not allow.
    pub(super) fn queue(&mut self, message: &MarshalledMessage) -> Result<u32, UnitError> {
        self.serial += 1;
        let mut header = Vec::new();
        marshal::marshal(message, self.serial, &mut header).map_err(nonsense)?;
        self.output.extend_from_slice(&header);
        self.output.extend_from_slice(message.get_buf());
        Ok(self.serial)
    }

    /// Sends what is queued.
    ///
    /// # Errors
    /// [`UnitError::Connection`], [`UnitError::Timeout`].
    pub(super) fn flush(&mut self) -> Result<(), UnitError> {
        while !self.output.is_empty() {
            match socket::send(self.socket.as_raw_fd(), &self.output, MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT) {
                Ok(length) => drop(self.output.drain(..length)),
                Err(Errno::EAGAIN) => self.wait(PollFlags::POLLOUT)?,
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(broken(errno)),
            }
        }
        Ok(())
    }

    /// The next message.
    ///
    /// # Errors
    /// [`UnitError::Connection`], [`UnitError::Timeout`].
    pub(super) fn receive(&mut self) -> Result<MarshalledMessage, UnitError> {
        loop {
            if let Some(length) = length(&self.input)?.filter(|length| *length <= self.input.len()) {
                let bytes: Vec<u8> = self.input.drain(..length).collect();
                return parse(&bytes);
            }
            self.fill()?;
        }
    }

    /// What follows may take so long from now on.
    pub(super) fn give(&mut self, patience: Duration) {
        self.patience = patience;
        self.deadline = Instant::now() + patience;
    }

    fn fill(&mut self) -> Result<(), UnitError> {
        let mut chunk = [0; 4096];
        loop {
            match socket::recv(self.socket.as_raw_fd(), &mut chunk, MsgFlags::MSG_DONTWAIT) {
                Ok(0) => return Err(UnitError::Connection("closed by the other end".into())),
                Ok(length) => {
                    self.input.extend_from_slice(chunk.get(..length).unwrap_or_default());
                    return Ok(());
                }
                Err(Errno::EAGAIN) => self.wait(PollFlags::POLLIN)?,
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(broken(errno)),
            }
        }
    }

    fn wait(&self, event: PollFlags) -> Result<(), UnitError> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        // Rounded up, or the last millisecond would be spent in a loop.
        let timeout = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(self.socket.as_fd(), event)], timeout) {
            Ok(0) => Err(self.too_late()),
            Ok(_) | Err(Errno::EINTR) if left.is_zero() => Err(self.too_late()),
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(broken(errno)),
        }
    }

    fn too_late(&self) -> UnitError {
        UnitError::Timeout(self.patience.as_secs())
    }
}

/// The length of the message at the start of `bytes`; `None` when too little of it is there.
fn length(bytes: &[u8]) -> Result<Option<usize>, UnitError> {
    let (Some(order), Some(body), Some(fields)) = (bytes.first(), bytes.get(4..8), bytes.get(12..FIXED)) else {
        return Ok(None);
    };
    let number = |bytes: &[u8]| {
        let bytes = bytes.try_into().unwrap_or_default();
        if *order == b'B' { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    };
    let length = (FIXED + number(fields) as usize).next_multiple_of(8) + number(body) as usize;
    if length > LONGEST { Err(nonsense(format!("{length} bytes long"))) } else { Ok(Some(length)) }
}

/// The one message that `bytes` are.
fn parse(bytes: &[u8]) -> Result<MarshalledMessage, UnitError> {
    let (fixed, header) = unmarshal::unmarshal_header(bytes, 0).map_err(nonsense)?;
    let (fields, dynamic) = unmarshal::unmarshal_dynamic_header(&header, bytes, fixed).map_err(nonsense)?;
    let (_, message) = unmarshal::unmarshal_next_message(&header, dynamic, bytes, fixed + fields).map_err(nonsense)?;
    Ok(message)
}
