//! What cannot be run: one line that says what it is and what to do, before anything of it has run.

use crate::common::{Scratch, run};

const REFUSED: i32 = 125;

#[track_caller]
fn refused(bytes: &[u8], options: &[&str], words: &[&str]) {
    let scratch = Scratch::new();
    let ended = run(options, &scratch.file("module.wasm", bytes), &[]);
    ended.is(REFUSED, words);
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
}

#[track_caller]
fn refused_text(text: &str, options: &[&str], words: &[&str]) {
    refused(&wat::parse_str(text).unwrap(), options, words);
}

const START: &str = r#"(func (export "_start"))"#;

#[test]
fn files_that_are_no_modules() {
    refused(b"", &[], &["not a WebAssembly module"]);
    refused(b"#!/bin/sh\nexit 0\n", &[], &["not a WebAssembly module"]);
    refused(b"(module)", &[], &["text form", "wat2wasm"]);
    refused(b"\0asm\x0d\0\x01\0", &[], &["component (WASI 0.2)", "wasm32-wasip1"]);
    refused(b"\0asm\x01", &[], &["truncated"]);
    refused(b"\0asm\x02\0\0\0", &[], &["version 0x2"]);
    refused(b"\0asm\x01\0\0\0\xff\xff\xff\xff\xff\xff\xff", &[], &["not a valid WebAssembly module"]);
}

#[test]
fn a_module_that_ends_within_a_section() {
    let bytes = wat::parse_str(format!(r#"(module (memory 1) (data (i32.const 0) "and so on") {START})"#)).unwrap();
    refused(&bytes[..bytes.len() - 3], &[], &["truncated"]);
}

#[test]
fn code_that_does_not_validate() {
    refused_text(r#"(module (func (export "_start") i32.add drop))"#, &[], &["not a valid WebAssembly module", "type mismatch"]);
    refused_text(&format!("(module (memory 1 1 shared) {START})"), &[], &["shared memory (threads)"]);
}

#[test]
fn unknown_imports_are_all_named() {
    let module = format!(
        r#"(module (import "env" "one" (func)) (import "wasi_snapshot_preview1" "nope" (func)) (import "env" "m" (memory 1))
           (import "wasi_snapshot_preview1" "sched_yield" (func (result i32))) {START})"#
    );
    refused_text(&module, &[], &["env.one, wasi_snapshot_preview1.nope, env.m ("]);
    refused_text(&format!(r#"(module (import "wasix_32v1" "fd_pipe" (func)) {START})"#), &[], &["WASIX", "Wasmer"]);
    refused_text(&format!(r#"(module (import "fermyon:spin/variables@2.0.0" "get" (func)) {START})"#), &[], &["Spin"]);
    refused_text(&format!(r#"(module (import "wasi_ephemeral_nn" "load" (func)) {START})"#), &[], &["org.skiff.wasm.plugins"]);
}

#[test]
fn imports_of_another_type() {
    let module = format!(r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func (param i64))) {START})"#);
    refused_text(&module, &[], &["other types", "wasi_snapshot_preview1.proc_exit"]);
}

#[test]
fn an_entry_that_is_not_there() {
    refused_text(
        r#"(module (func (export "go")) (func (export "f") (param i32)))"#,
        &[],
        &["no function _start", "it has go (name one"],
    );
    refused_text(r#"(module (func (export "f") (param i32)))"#, &["entry=f"], &["function f takes parameters"]);
}

#[test]
fn memory_that_begins_above_the_limit() {
    refused_text(&format!("(module (memory 3) {START})"), &["memory=131072"], &["196608 bytes", "limit of 131072"]);
}

#[test]
fn too_little_address_space() {
    let words = ["RLIMIT_AS is 13000000000", "13958643712 bytes"];
    refused_text(&format!("(module (memory 1) {START})"), &["as=13000000000"], &words);
}

#[test]
fn preopens_that_cannot_be_opened() {
    let module = format!("(module {START})");
    refused_text(&module, &["dir=/data:/no/such/directory"], &["preopen /no/such/directory: no such file or directory"]);
    refused_text(&module, &["dir=/data:/etc/passwd"], &["preopen /etc/passwd: not a directory"]);
    refused_text(&module, &["dir=/data:/tmp/a:b"], &["colon"]);
}

#[test]
fn a_plugin_that_is_none() {
    refused_text(&format!("(module {START})"), &["plugin=/etc/passwd"], &["plugin /etc/passwd: not a plugin"]);
}
