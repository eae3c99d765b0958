//! What a module may use: memory, fuel, stack. Beyond it the guest sees a failure, or the run ends with words.

use crate::common::{Scratch, run, runner};
use std::os::unix::process::CommandExt;

/// Grows its memory page by page; the exit code is how many pages it has then.
const GROW: &str = r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32))) (memory (export "memory") 1)
    (func (export "_start") (loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) (call $exit (memory.size))))"#;

#[test]
fn memory_grows_up_to_the_limit_and_no_further() {
    let scratch = Scratch::new();
    for pages in [1, 17, 100] {
        run(&[&format!("memory={}", pages * 65_536)], &scratch.wat(GROW), &[]).is(pages, &[]);
    }
    run(&["memory=1114111"], &scratch.wat(GROW), &[]).is(16, &[]);
}

#[test]
fn several_memories_share_the_limit() {
    let module = r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32))) (memory (export "memory") 1) (memory $b 1)
        (func (export "_start") (loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
        (loop $more (br_if $more (i32.ne (memory.grow $b (i32.const 1)) (i32.const -1))))
        (call $exit (i32.add (memory.size) (memory.size $b)))))"#;
    let scratch = Scratch::new();
    run(&["memory=2621440"], &scratch.wat(module), &[]).is(40, &[]);
}

const SPIN: &str = r#"(module (memory (export "memory") 1) (func (export "_start") (loop $spin (br $spin))))"#;

#[test]
fn fuel_is_counted_and_used_up() {
    let scratch = Scratch::new();
    run(&["fuel=100000"], &scratch.wat(SPIN), &[]).is(134, &["fuel limit of 100000 instructions", "at _start"]);
    let short = r#"(module (func (export "_start") nop nop nop))"#;
    run(&["fuel=100"], &scratch.wat(short), &[]).is(0, &[]);
}

#[test]
fn with_fuel_compiled_code_is_not_used() {
    let scratch = Scratch::new();
    let module = scratch.wat(SPIN);
    match scratch.compiled(&module) {
        Ok(path) => run(&["fuel=1000", &format!("compiled={}", path.display())], &module, &[]).is(134, &["fuel limit of 1000"]),
        Err(reason) => crate::skip!("{reason}"),
    }
}

/// Recursion that no compiler can turn into a loop.
const RECURSION: &str = r#"(module (memory (export "memory") 1)
    (func $again (param i32) (result i32) (i32.store (i32.const 64) (local.get 0))
      (i32.add (call $again (i32.add (local.get 0) (i32.const 1))) (i32.load (i32.const 64))))
    (func (export "_start") (drop (call $again (i32.const 0)))))"#;

#[test]
fn endless_recursion_is_reported_when_interpreted() {
    let scratch = Scratch::new();
    run(&[], &scratch.wat(RECURSION), &[]).is(134, &["call stack exhausted", "recursion"]);
}

#[test]
fn endless_recursion_is_reported_when_compiled_whatever_the_stack_limit() {
    let scratch = Scratch::new();
    let module = scratch.wat(RECURSION);
    let compiled = match scratch.compiled(&module) {
        Ok(path) => format!("compiled={}", path.display()),
        Err(reason) => crate::skip!("{reason}"),
    };
    for stack in [1 << 20, 8 << 20, libc::RLIM_INFINITY] {
        let mut command = runner();
        let limit = libc::rlimit { rlim_cur: stack, rlim_max: libc::RLIM_INFINITY };
        // SAFETY: setrlimit is async-signal-safe, and reads a structure of ours.
        unsafe {
            command.pre_exec(move || match libc::setrlimit(libc::RLIMIT_STACK, &limit) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            })
        };
        let ended = crate::common::Ended::of(&command.arg(&compiled).arg(&module).output().unwrap());
        ended.is(134, &["call stack exhausted", "org.skiff.wasm.interpret=true"]);
    }
}

#[test]
fn deep_recursion_that_ends_is_no_endless_one() {
    let module = r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32))) (memory (export "memory") 1)
        (func $down (param i32) (result i32) (if (result i32) (local.get 0)
          (then (i32.add (i32.const 1) (call $down (i32.sub (local.get 0) (i32.const 1))))) (else (i32.const 0))))
        (func (export "_start") (call $exit (i32.eq (call $down (i32.const 100000)) (i32.const 100000)))))"#;
    let scratch = Scratch::new();
    run(&[], &scratch.wat(module), &[]).is(1, &[]);
}

#[test]
fn one_thread_throughout() {
    let source = r#"#include <stdio.h>
        int main(void) { char line[256]; FILE *f = fopen("/proc/self/status", "r");
        while (f && fgets(line, sizeof line, f)) { int n; if (sscanf(line, "Threads: %d", &n) == 1) return n; } return 99; }"#;
    let scratch = Scratch::new();
    match scratch.c(source, &[]) {
        Ok(module) => run(&["dir=/proc:/proc", "timeout=60000", "memory=10000000"], &module, &[]).is(1, &[]),
        Err(reason) => crate::skip!("{reason}"),
    }
}
