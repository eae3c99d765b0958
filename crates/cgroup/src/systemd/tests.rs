//! What a real bus does not do on demand: no answer, nonsense, an end in the middle, signals of others. The other side is a
//! thread with a socket that plays one of these.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::UnitError;
use super::connection::Connection;
use super::manager::Manager;
use nix::sys::socket::{self, AddressFamily, Backlog, SockFlag, SockType, UnixAddr};
use rustbus::MessageBuilder;
use rustbus::message_builder::{MarshalledMessage, MessageType};
use rustbus::wire::{ObjectPath, marshal};
use skiff_plan::SystemdUnit;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// For what is to come, on a machine with much to do.
const LONG: Duration = Duration::from_secs(60);
/// For what never comes.
const SHORT: Duration = Duration::from_millis(50);

/// A name that no other test has.
fn name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("skiff-test-bus-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Does with its caller what `play` says.
fn peer(play: impl FnOnce(UnixStream) + Send + 'static) -> (UnixAddr, JoinHandle<()>) {
    let name = name();
    let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let thread = std::thread::spawn(move || play(listener.accept().unwrap().0));
    (UnixAddr::new_abstract(name.as_bytes()).unwrap(), thread)
}

fn expect(stream: &mut UnixStream, wanted: &[u8]) {
    let mut bytes = vec![0; wanted.len()];
    stream.read_exact(&mut bytes).unwrap();
    assert_eq!(String::from_utf8_lossy(&bytes), String::from_utf8_lossy(wanted));
}

fn welcome(stream: &mut UnixStream) {
    expect(stream, b"\0AUTH EXTERNAL\r\n");
    stream.write_all(b"DATA\r\n").unwrap();
    expect(stream, b"DATA\r\n");
    stream.write_all(b"OK 0123456789abcdef\r\n").unwrap();
    expect(stream, b"BEGIN\r\n");
}

/// Reads until the other side has nothing more to say, which it does when it waits or goes.
fn until_closed(mut stream: UnixStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

/// Reads one message, and returns its serial number and the name of its method.
fn called(stream: &mut UnixStream) -> (u32, String) {
    let mut bytes = vec![0; 16];
    stream.read_exact(&mut bytes).unwrap();
    let number = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let (fields, body, serial) = (number(12), number(4), number(8));
    let mut rest = vec![0; fields.next_multiple_of(8) + body];
    stream.read_exact(&mut rest).unwrap();
    let text = String::from_utf8_lossy(&rest).into_owned();
    let methods = ["Hello", "AddMatch", "StartTransientUnit", "ResetFailedUnit", "StopUnit"];
    let method = methods.iter().find(|method| text.contains(&format!("{method}\0"))).unwrap();
    (serial as u32, (*method).to_owned())
}

fn send(stream: &mut UnixStream, mut message: MarshalledMessage, sender: &str) {
    message.dynheader.sender = Some(sender.to_owned());
    let mut bytes = Vec::new();
    marshal::marshal(&message, 1, &mut bytes).unwrap();
    // rustbus leaves the sender to a bus: it is put in as one more field, after the others.
    let field = [&[7, 1, b's', 0][..], &(sender.len() as u32).to_ne_bytes(), sender.as_bytes(), &[0]].concat();
    let fields = u32::from_ne_bytes(bytes[12..16].try_into().unwrap()) as usize;
    bytes.truncate(16 + fields);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes.extend(field);
    let fields = (bytes.len() - 16) as u32;
    bytes[12..16].copy_from_slice(&fields.to_ne_bytes());
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes.extend(message.get_buf());
    stream.write_all(&bytes).unwrap();
}

fn answer(serial: u32) -> MarshalledMessage {
    let mut message = MarshalledMessage::new();
    message.typ = MessageType::Reply;
    message.dynheader.response_serial = Some(serial);
    message
}

fn job_removed(job: &str, result: &str) -> MarshalledMessage {
    let on = "/org/freedesktop/systemd1";
    let mut message = MessageBuilder::new().signal("org.freedesktop.systemd1.Manager", "JobRemoved", on).build();
    message.body.push_param4(1u32, ObjectPath::new(job).unwrap(), "x.scope", result).unwrap();
    message
}

fn unit() -> SystemdUnit {
    SystemdUnit { name: "x.scope".into(), slice: "system.slice".into(), user: false, properties: Vec::new() }
}

/// Greets, takes Hello and AddMatch, and answers the start of a unit with job 7.
fn start(stream: &mut UnixStream) {
    welcome(stream);
    for method in ["Hello", "AddMatch"] {
        let (serial, called) = called(stream);
        assert_eq!(called, method);
        send(stream, answer(serial), "org.freedesktop.DBus");
    }
    let (serial, method) = called(stream);
    assert_eq!(method, "StartTransientUnit");
    let mut reply = answer(serial);
    reply.body.push_param(ObjectPath::new("/job/7").unwrap()).unwrap();
    // Early, and from somebody else.
    send(stream, job_removed("/job/7", "done"), ":1.66");
    send(stream, reply, ":1.1");
}

fn connect(address: &UnixAddr, patience: Duration) -> Result<Manager, UnitError> {
    Manager::new(Connection::open(address, patience)?, false)
}

#[test]
fn a_bus_that_never_answers() {
    let (address, peer) = peer(|stream| drop(until_closed(stream)));
    assert_eq!(connect(&address, SHORT).err(), Some(UnitError::Timeout(0)));
    peer.join().unwrap();
}

#[test]
fn a_listener_with_too_many_callers() {
    let address = UnixAddr::new_abstract(name().as_bytes()).unwrap();
    let socket = || socket::socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_NONBLOCK, None).unwrap();
    let listener = socket();
    socket::bind(listener.as_raw_fd(), &address).unwrap();
    socket::listen(&listener, Backlog::new(1).unwrap()).unwrap();
    let mut callers = Vec::new();
    loop {
        callers.push(socket());
        if socket::connect(callers.last().unwrap().as_raw_fd(), &address).is_err() {
            break;
        }
    }
    assert_eq!(connect(&address, SHORT).err(), Some(UnitError::Timeout(0)));
}

#[test]
fn a_bus_that_refuses_closes_or_talks_nonsense() {
    let cases: [(&[u8], &str); 5] = [
        (b"REJECTED EXTERNAL\r\n", "authentication: REJECTED EXTERNAL"),
        (b"", "closed by the other end"),
        (b"OK 0\r\n", "closed by the other end"),
        (b"OK 0\r\n0123456789abcdef0123456789abcdef", "a message that is not D-Bus: "),
        (b"OK 0\r\nl\x02\0\x01\0\0\0\0\x01\0\0\0\0\0\0\0", "a message that is not D-Bus: "),
    ];
    for (bytes, wanted) in cases {
        let (address, peer) = peer(move |mut stream| {
            expect(&mut stream, b"\0AUTH EXTERNAL\r\n");
            stream.write_all(bytes).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            until_closed(stream);
        });
        let error = connect(&address, LONG).and_then(|mut manager| manager.start(&unit(), 1)).err();
        assert!(matches!(&error, Some(UnitError::Connection(why)) if why.starts_with(wanted)), "{wanted}: {error:?}");
        peer.join().unwrap();
    }
}

#[test]
fn the_jobs_own_result_counts() {
    for (result, wanted) in [("done", None), ("failed", Some(UnitError::Job("failed".into())))] {
        let (address, peer) = peer(move |mut stream| {
            start(&mut stream);
            send(&mut stream, job_removed("/job/6", "canceled"), ":1.1");
            send(&mut stream, job_removed("/job/7", "canceled"), ":1.66");
            send(&mut stream, job_removed("/job/7", result), ":1.1");
            until_closed(stream);
        });
        let mut manager = connect(&address, LONG).unwrap();
        let job = manager.start(&unit(), 1).unwrap();
        assert_eq!(manager.wait(&job).err(), wanted);
        drop(manager);
        peer.join().unwrap();
    }
}

#[test]
fn a_job_that_never_ends_is_given_up() {
    let (address, peer) = peer(|mut stream| {
        start(&mut stream);
        assert_eq!(called(&mut stream).1, "StopUnit");
        assert!(until_closed(stream).is_empty());
    });
    let mut manager = connect(&address, LONG).unwrap();
    let job = manager.start(&unit(), 1).unwrap();
    manager.give(SHORT);
    assert_eq!(manager.wait(&job), Err(UnitError::Timeout(0)));
    manager.abandon("x.scope").unwrap();
    drop(manager);
    peer.join().unwrap();
}
