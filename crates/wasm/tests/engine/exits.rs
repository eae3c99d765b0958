//! How a run ends: exit codes, signals, the clock.

use crate::common::{Scratch, run, runner};
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

fn exit(code: u32) -> String {
    format!(
        r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32))) (memory (export "memory") 1)
           (func (export "_start") (call $exit (i32.const {code}))))"#
    )
}

#[test]
fn proc_exit_gives_its_low_byte() {
    let scratch = Scratch::new();
    for (given, seen) in [(0, 0), (7, 7), (255, 255), (256, 0), (0xffff_ffff, 255)] {
        run(&[], &scratch.wat(&exit(given)), &[]).is(seen, &[]);
    }
}

#[test]
fn mains_return_value_is_the_exit_code() {
    let scratch = Scratch::new();
    match scratch.c("int main(int argc, char **argv) { return argc * 3; }", &[]) {
        Ok(module) => run(&[], &module, &["one"]).is(6, &[]),
        Err(reason) => crate::skip!("{reason}"),
    }
}

#[test]
fn a_named_function_runs_after_initialize() {
    let scratch = Scratch::new();
    let module = scratch.wat(
        r#"(module (global $g (mut i32) (i32.const 1)) (func (export "_initialize") (global.set $g (i32.const 41)))
           (func (export "run") (result i32) (i32.add (global.get $g) (i32.const 1))))"#,
    );
    run(&["entry=run"], &module, &[]).is(42, &[]);
}

#[test]
fn proc_exit_in_a_start_function_or_in_initialize_ends_the_run() {
    let scratch = Scratch::new();
    let exit = r#"(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32))) (memory (export "memory") 1)
        (func $five (call $exit (i32.const 5)))"#;
    let start = scratch.wat(&format!(r#"(module {exit} (start $five) (func (export "_start") unreachable))"#));
    run(&[], &start, &[]).is(5, &[]);
    let module = format!(r#"(module {exit} (export "_initialize" (func $five)) (func (export "run") unreachable))"#);
    run(&["entry=run"], &scratch.wat(&module), &[]).is(5, &[]);
}

/// Writes a line, then spins, sleeps, or waits for input: what a signal must end.
pub fn endless(body: &str) -> String {
    format!(
        r#"(module (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
           (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
           (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
           (memory (export "memory") 1) (data (i32.const 100) "up\n") (data (i32.const 8) "\64\00\00\00\03\00\00\00")
           (func (export "_start") (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 0))) {body}))"#
    )
}

/// Ten minutes on the monotonic clock.
pub const SLEEPS: &str = "(i32.store (i32.const 216) (i32.const 1)) (i64.store (i32.const 224) (i64.const 600000000000))
    (drop (call $poll (i32.const 200) (i32.const 304) (i32.const 1) (i32.const 400)))";
const SPINS: &str = "(loop $spin (br $spin))";
const READS: &str = "(drop (call $read (i32.const 0) (i32.const 8) (i32.const 1) (i32.const 0)))";
const STATES: [&str; 3] = [SPINS, SLEEPS, READS];

#[test]
fn signals_end_it_at_once_in_every_state() {
    let scratch = Scratch::new();
    for state in STATES {
        let module = scratch.wat(&endless(state));
        for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT] {
            let mut child = runner().arg(&module).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            let mut line = [0; 3];
            child.stdout.as_mut().unwrap().read_exact(&mut line).unwrap();
            // SAFETY: a child of ours that is not reaped yet.
            assert_eq!(unsafe { libc::kill(child.id().cast_signed(), signal) }, 0);
            let status = child.wait().unwrap();
            assert_eq!((status.code(), status.signal()), (Some(128 + signal), None), "signal {signal}: {state}");
        }
    }
}

/// The kernel ignores a signal to the first process of a namespace that has no handler for it.
#[test]
fn signals_end_the_first_process_of_a_pid_namespace() {
    let scratch = Scratch::new();
    let run = runner();
    let mut command = std::process::Command::new("unshare");
    command.args(["--pid", "--fork"]).arg(run.get_program()).arg(scratch.wat(&endless(SPINS)));
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    if child.stdout.as_mut().unwrap().read_exact(&mut [0; 3]).is_err() {
        child.wait().unwrap();
        crate::skip!("no new PID namespace here");
    }
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id())).unwrap();
    // SAFETY: a grandchild of ours that cannot have ended: nothing but this signal ends it.
    assert_eq!(unsafe { libc::kill(children.trim().parse().unwrap(), libc::SIGTERM) }, 0);
    assert_eq!(child.wait().unwrap().code(), Some(143));
}

#[test]
fn signals_and_the_clock_end_compiled_code_too() {
    let scratch = Scratch::new();
    let module = scratch.wat(&endless(SPINS));
    let compiled = match scratch.compiled(&module) {
        Ok(path) => format!("compiled={}", path.display()),
        Err(reason) => crate::skip!("{reason}"),
    };
    let output = runner().args([&compiled, "timeout=100"]).arg(&module).output().unwrap();
    assert_eq!(output.status.code(), Some(124));
    let mut child = runner().arg(&compiled).arg(&module).stdout(Stdio::piped()).spawn().unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0; 3]).unwrap();
    // SAFETY: a child of ours that is not reaped yet.
    assert_eq!(unsafe { libc::kill(child.id().cast_signed(), libc::SIGTERM) }, 0);
    assert_eq!(child.wait().unwrap().code(), Some(143));
}

#[test]
fn the_clock_ends_it_with_124_and_says_so() {
    let scratch = Scratch::new();
    for state in STATES {
        let mut command = runner();
        command
            .arg("timeout=100")
            .arg(scratch.wat(&endless(state)))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        // The pipe stays open: reading must not end by itself.
        let stdin = child.stdin.take();
        assert_eq!(child.wait().unwrap().code(), Some(124), "{state}");
        drop(stdin);
    }
    let output = runner().arg("timeout=1").arg(scratch.wat(&endless(SPINS))).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("wall-clock limit"), "{output:?}");
}
