//! The relay between real terminals and pipes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use nix::sys::stat::Mode;
use nix::sys::termios::LocalFlags;
use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::thread::{JoinHandle, spawn};

/// Both ends of a terminal.
fn terminal() -> (OwnedFd, OwnedFd) {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let master = nix::fcntl::open("/dev/ptmx", flags, Mode::empty()).unwrap();
    skiff_sys::unlock_pty(master.as_fd()).unwrap();
    let slave = skiff_sys::pty_slave(master.as_fd()).unwrap();
    (master, slave)
}

/// What the process does with its terminal; the relay runs until it is done, and then hands on the rest.
fn relay_while(relay: Relay, process: impl FnOnce() + Send + 'static) {
    let (done, signal): (PipeReader, PipeWriter) = pipe().unwrap();
    let process: JoinHandle<()> = spawn(move || {
        process();
        drop(signal);
    });
    let mut relay = relay;
    relay.until(done.as_fd()).unwrap();
    process.join().unwrap();
    relay.drain();
}

fn cook(terminal: &OwnedFd, change: impl FnOnce(&mut Termios)) {
    let mut settings = tcgetattr(terminal).unwrap();
    change(&mut settings);
    tcsetattr(terminal, SetArg::TCSANOW, &settings).unwrap();
}

fn read_all(mut from: PipeReader) -> JoinHandle<Vec<u8>> {
    spawn(move || {
        let mut all = Vec::new();
        from.read_to_end(&mut all).unwrap();
        all
    })
}

#[test]
fn the_callers_terminal_goes_raw_and_comes_back() {
    let (_user, tty) = terminal();
    let (master, slave) = terminal();
    let before = tcgetattr(&tty).unwrap();
    let relay = Relay::new(master, tty.try_clone().unwrap(), tty.try_clone().unwrap()).unwrap();
    let raw = tcgetattr(&tty).unwrap();
    assert!(!raw.local_flags.intersects(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG));
    // Nobody but the container's terminal may change what is printed.
    assert!(!raw.output_flags.contains(OutputFlags::OPOST));
    assert!(tcgetattr(&slave).unwrap().output_flags.contains(OutputFlags::ONLCR));
    drop(relay);
    assert_eq!(tcgetattr(&tty).unwrap(), before);
}

#[test]
fn a_terminal_that_only_types_keeps_ending_lines() {
    let (_user, tty) = terminal();
    let (master, slave) = terminal();
    let (_reader, output) = pipe().unwrap();
    let relay = Relay::new(master, tty.try_clone().unwrap(), output.into()).unwrap();
    assert!(tcgetattr(&tty).unwrap().output_flags.contains(OutputFlags::OPOST | OutputFlags::ONLCR));
    assert!(!tcgetattr(&tty).unwrap().local_flags.contains(LocalFlags::ICANON));
    assert!(!tcgetattr(&slave).unwrap().output_flags.contains(OutputFlags::ONLCR));
    drop(relay);
}

#[test]
fn pipes_are_relayed_as_well() {
    let (master, slave) = terminal();
    let (input, mut typed) = pipe().unwrap();
    let (printed, output) = pipe().unwrap();
    let relay = Relay::new(master, input.into(), output.into()).unwrap();
    cook(&slave, |settings| settings.local_flags.remove(LocalFlags::ECHO));
    typed.write_all(b"typed\n").unwrap();
    // The end of what is typed is no end of the terminal.
    drop(typed);
    relay_while(relay, move || {
        let mut slave = File::from(slave);
        let mut line = [0; 16];
        let length = slave.read(&mut line).unwrap();
        assert_eq!(&line[..length], b"typed\n");
        slave.write_all(b"one\ntwo\n").unwrap();
    });
    assert_eq!(read_all(printed).join().unwrap(), b"one\ntwo\n");
}

#[test]
fn the_window_is_the_callers_from_the_start_and_after_a_change() {
    let (user, tty) = terminal();
    let (master, slave) = terminal();
    skiff_sys::set_window_size(master.as_fd(), 11, 22).unwrap();
    let relay = Relay::new(master, tty.try_clone().unwrap(), tty).unwrap();
    // The caller's has none yet.
    assert_eq!(skiff_sys::window_size(slave.as_fd()), Ok((11, 22)));
    skiff_sys::set_window_size(user.as_fd(), 33, 99).unwrap();
    relay.resize();
    assert_eq!(skiff_sys::window_size(slave.as_fd()), Ok((33, 99)));
}

#[test]
fn much_output_arrives_whole() {
    let (master, slave) = terminal();
    let (input, _typed) = pipe().unwrap();
    let (printed, output) = pipe().unwrap();
    let relay = Relay::new(master, input.into(), output.into()).unwrap();
    let reader = read_all(printed);
    let lines: Vec<u8> = (0..100_000).flat_map(|number| format!("{number}\n").into_bytes()).collect();
    let expected = lines.clone();
    relay_while(relay, move || File::from(slave).write_all(&lines).unwrap());
    assert!(reader.join().unwrap() == expected);
}

#[test]
fn much_input_arrives_whole() {
    let (master, slave) = terminal();
    let (input, mut typed) = pipe().unwrap();
    let (_printed, output) = pipe().unwrap();
    let relay = Relay::new(master, input.into(), output.into()).unwrap();
    cook(&slave, cfmakeraw);
    let bytes: Vec<u8> = (0..200_000_u32).map(|number| (number % 251) as u8).collect();
    let expected = bytes.clone();
    let typist = spawn(move || typed.write_all(&bytes).unwrap());
    relay_while(relay, move || {
        let mut got = vec![0; expected.len()];
        File::from(slave).read_exact(&mut got).unwrap();
        assert!(got == expected);
    });
    typist.join().unwrap();
}

/// systemd closes its terminal while it starts, and opens it again.
#[test]
fn a_terminal_that_nobody_has_open_is_not_at_its_end() {
    let (master, slave) = terminal();
    let (input, _typed) = pipe().unwrap();
    let (printed, output) = pipe().unwrap();
    let other = master.try_clone().unwrap();
    let mut relay = Relay::new(master, input.into(), output.into()).unwrap();
    drop(slave);
    // A few turns at most, and then nothing more to do: no signal, no event.
    let (quiet, _signal) = pipe().unwrap();
    for _ in 0..5 {
        relay.exchange();
        relay.master.look().unwrap();
    }
    let mut fds = [PollFd::new(relay.master.epoll.0.as_fd(), PollFlags::POLLIN), PollFd::new(quiet.as_fd(), PollFlags::POLLIN)];
    assert_eq!(poll(&mut fds, PollTimeout::ZERO), Ok(0));
    relay_while(relay, move || {
        let mut slave = File::from(skiff_sys::pty_slave(other.as_fd()).unwrap());
        slave.write_all(b"here again\n").unwrap();
    });
    assert_eq!(read_all(printed).join().unwrap(), b"here again\n");
}

#[test]
fn a_process_goes_on_when_nobody_reads_its_output() {
    let (master, slave) = terminal();
    let (input, _typed) = pipe().unwrap();
    let (printed, output) = pipe().unwrap();
    drop(printed);
    let relay = Relay::new(master, input.into(), output.into()).unwrap();
    relay_while(relay, move || File::from(slave).write_all(&vec![b'x'; 1 << 20]).unwrap());
}

#[test]
fn a_caller_that_does_not_read_holds_the_process_back_and_not_the_relay() {
    let (master, slave) = terminal();
    let (input, _typed) = pipe().unwrap();
    let (printed, output) = pipe().unwrap();
    let mut relay = Relay::new(master, input.into(), output.into()).unwrap();
    let process = spawn(move || File::from(slave).write_all(&vec![b'x'; 1 << 20]).unwrap());
    let (signals, signal) = pipe().unwrap();
    let late = spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(300));
        drop(signal);
    });
    // Comes back though stdout is full.
    relay.until(signals.as_fd()).unwrap();
    late.join().unwrap();
    let reader = read_all(printed);
    let (done, signal) = pipe().unwrap();
    let process = spawn(move || {
        process.join().unwrap();
        drop(signal);
    });
    relay.until(done.as_fd()).unwrap();
    process.join().unwrap();
    relay.drain();
    assert_eq!(reader.join().unwrap().len(), 1 << 20);
}
