//! What the guest sees: arguments, environment, directories, streams, sockets, log.

use crate::common::{Ended, Scratch, run, runner};
use crate::exits::{SLEEPS, endless};
use std::io::{Read, Write};
use std::process::Stdio;

#[track_caller]
fn c(scratch: &Scratch, source: &str) -> Option<std::path::PathBuf> {
    scratch.c(source, &["-O1"]).inspect_err(|reason| crate::common::skipped(reason)).ok()
}

#[test]
fn arguments_and_environment_are_what_was_given_and_nothing_else() {
    let source = r#"#include <stdio.h>
        extern char **environ;
        int main(int argc, char **argv) { for (int i = 1; i < argc; i++) puts(argv[i]); for (char **e = environ; *e; e++) puts(*e); }"#;
    let scratch = Scratch::new();
    let Some(module) = c(&scratch, source) else { return };
    let output = runner().env("SECRET", "1").args(["env=A=1", "env=EMPTY="]).arg(&module).args(["x y", ""]).output().unwrap();
    assert_eq!(Ended::of(&output).stdout, "x y\n\nA=1\nEMPTY=\n");
}

#[test]
fn streams_are_the_processs_own() {
    let source = r#"#include <stdio.h>
        int main(void) { char line[99]; if (fgets(line, sizeof line, stdin)) { fputs(line, stdout); fputs(line, stderr); } }"#;
    let scratch = Scratch::new();
    let Some(module) = c(&scratch, source) else { return };
    let mut child = runner().arg(&module).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"echo\n").unwrap();
    let ended = Ended::of(&child.wait_with_output().unwrap());
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("echo\n", "echo\n"));
}

/// Tries each path given, for reading; prints what could be opened.
const OPEN: &str = r#"#include <fcntl.h>
    #include <stdio.h>
    int main(int argc, char **argv) { for (int i = 1; i < argc; i++) if (open(argv[i], O_RDONLY) >= 0) puts(argv[i]); }"#;

#[test]
fn nothing_but_the_preopens_can_be_reached() {
    let scratch = Scratch::new();
    let Some(module) = c(&scratch, OPEN) else { return };
    let data = scratch.path().join("data");
    std::fs::create_dir(&data).unwrap();
    scratch.file("data/inside", b"");
    for (name, target) in [("absolute", "/etc"), ("up", "../.."), ("file", "/etc/passwd")] {
        std::os::unix::fs::symlink(target, data.join(name)).unwrap();
    }
    let paths = [
        "/data/inside",
        "/data/absolute/passwd",
        "/data/up/etc/passwd",
        "/data/file",
        "/data/../module.wasm",
        "/etc/passwd",
        "/",
        "../etc",
    ];
    let ended = run(&[&format!("dir=/data:{}", data.display())], &module, &paths);
    assert_eq!(ended.stdout, "/data/inside\n", "{ended:?}");
    assert_eq!(run(&[], &module, &paths).stdout, "");
}

#[test]
fn a_read_only_preopen_wants_the_kernels_help() {
    let scratch = Scratch::new();
    let module = scratch.wat(r#"(module (func (export "_start")))"#);
    let dir = format!("dir=/data:{}:ro", scratch.path().display());
    run(&[&dir], &module, &[]).is(125, &["cannot be made read-only", "Landlock"]);
    run(&["landlock=on", &dir], &module, &[]).is(0, &[]);
}

#[test]
fn preopens_are_the_only_files_that_are_open() {
    let scratch = Scratch::new();
    let module = scratch.wat(&endless(SLEEPS));
    let dir = format!("dir=/data:{}", scratch.path().display());
    let mut child = runner().arg(&dir).arg(&module).stdout(Stdio::piped()).spawn().unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0; 3]).unwrap();
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap().flatten();
    let numbers = descriptors.map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read_link(entry.path()).unwrap()));
    let files: Vec<_> =
        numbers.filter(|(number, _)| !["0", "1", "2"].contains(&number.as_str())).map(|(_, target)| target).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    // What the engine waits with is its own.
    let (engines, files): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|target| target.to_string_lossy().starts_with("anon_inode:"));
    assert_eq!(files, [scratch.path()], "{engines:?}");
}

/// The errno of opening a stream socket for IPv4.
const SOCKET: &str = r#"(module (import "wasi_snapshot_preview1" "sock_open" (func $open (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32))) (memory (export "memory") 1)
    (func (export "_start") (call $exit (call $open (i32.const 1) (i32.const 2) (i32.const 0)))))"#;

#[test]
fn sockets_that_are_off_answer_that_there_is_no_capability() {
    let scratch = Scratch::new();
    run(&[], &scratch.wat(SOCKET), &[]).is(76, &[]);
    run(&["sockets=on"], &scratch.wat(SOCKET), &[]).is(0, &[]);
}

#[test]
fn a_plugin_offers_its_module() {
    let Some(prefix) = crate::common::prefix() else { crate::skip!("a static engine loads no plugins") };
    let scratch = Scratch::new();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../../integration/wasm/plugin.c");
    let library = scratch.path().join("libdemo.so");
    let include = format!("-I{}/include", prefix.display());
    let compiled =
        std::process::Command::new("cc").args(["-shared", "-fPIC", &include]).arg(source).arg("-o").arg(&library).status();
    assert!(compiled.unwrap().success());
    let module = scratch.wat(
        r#"(module (import "demo" "answer" (func $answer (result i32))) (func (export "run") (result i32) (call $answer)))"#,
    );
    run(&["entry=run", &format!("plugin={}", library.display())], &module, &[]).is(42, &[]);
    run(&["entry=run"], &module, &[]).is(125, &["demo.answer"]);
}

#[test]
fn wasi_logging_goes_to_stderr_and_nowhere_else() {
    let scratch = Scratch::new();
    let file = scratch.path().join("escaped");
    let module = format!(
        r#"(module (import "wasi:logging/logging" "log" (func $log (param i32 i32 i32 i32 i32))) (memory (export "memory") 1)
           (data (i32.const 0) "{0}") (data (i32.const 500) "hello")
           (func (export "_start") (call $log (i32.const 3) (i32.const 0) (i32.const {1}) (i32.const 500) (i32.const 5))
             (call $log (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 500) (i32.const 5))))"#,
        file.display(),
        file.display().to_string().len()
    );
    let ended = run(&[], &scratch.wat(&module), &[]);
    ended.is(0, &[]);
    assert_eq!(ended.stderr, format!("[warn] {}: hello\n[error] hello\n", file.display()));
    assert!(!file.exists());
}

#[test]
fn wasi_logging_checks_the_guests_pointers() {
    let module = r#"(module (import "wasi:logging/logging" "log" (func $log (param i32 i32 i32 i32 i32))) (memory (export "memory") 1)
        (func (export "_start") (call $log (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 65530) (i32.const 100))))"#;
    run(&[], &Scratch::new().wat(module), &[]).is(134, &["memory's bounds"]);
}

#[test]
fn native_code_in_the_file_is_not_used() {
    let scratch = Scratch::new();
    // What the interpreter knows and compiled code does not: the offset.
    let module = scratch.wat(r#"(module (func $f nop unreachable) (func (export "_start") nop call $f))"#);
    match scratch.compiled(&module) {
        Ok(path) => run(&[], &path, &[]).is(134, &["at f (offset 0x"]),
        Err(reason) => crate::skip!("{reason}"),
    }
}
