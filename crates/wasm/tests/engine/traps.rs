//! Reports of traps: on stderr, with a reason in plain words and as much of the place as the mode knows.

use crate::common::{Scratch, run};

const DIVISION: &str = r#"(module (memory (export "memory") 1)
    (func $divide (param i32) (result i32) (i32.div_s (i32.const 4) (local.get 0)))
    (func $middle (param i32) (result i32) (i32.add (i32.const 1) (call $divide (local.get 0))))
    (func (export "_start") (drop (call $middle (i32.const 0)))))"#;

#[test]
fn the_interpreter_knows_functions_and_offset() {
    let ended = run(&[], &Scratch::new().wat(DIVISION), &[]);
    ended.is(134, &["wasm trap: integer division by zero (i32.div_s)\n"]);
    let at: Vec<_> = ended.stderr.lines().skip(1).map(|line| line.trim().split(' ').nth(1).unwrap_or_default()).collect();
    assert_eq!(at, ["divide", "middle", "_start"], "{ended:?}");
    assert!(ended.stderr.contains("at divide (offset 0x"), "{ended:?}");
}

#[test]
fn compiled_code_knows_less_and_says_so() {
    let scratch = Scratch::new();
    let module = scratch.wat(DIVISION);
    match scratch.compiled(&module) {
        Ok(path) => {
            let ended = run(&[&format!("compiled={}", path.display())], &module, &[]);
            ended.is(134, &["integer division by zero", "at _start", "org.skiff.wasm.interpret=true"]);
        }
        Err(reason) => crate::skip!("{reason}"),
    }
}

#[test]
fn reasons_are_in_plain_words() {
    let scratch = Scratch::new();
    let bodies = [
        ("unreachable", "the program gave up"),
        ("(drop (i32.load (i32.const 65533)))", "bytes 0xfffd to 0x10000 of a memory that ends at 0xffff (i32.load)"),
        ("(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))", "integer overflow in a division"),
        ("(drop (i32.trunc_f32_s (f32.const 1e20)))", "too large for the integer (i32.trunc_f32_s)"),
        ("(drop (i32.trunc_f32_s (f32.const nan)))", "no integer to become"),
        ("(call_indirect (type $f) (i32.const 0))", "function pointer that is null"),
        ("(call_indirect (type $f) (i32.const 9))", "function pointer that is none"),
        ("(call_indirect (type $f) (i32.const 1))", "function pointer of another type"),
    ];
    for (body, words) in bodies {
        let module = format!(
            r#"(module (type $f (func)) (memory 1) (table 2 funcref) (elem (i32.const 1) $other) (func $other (param i32))
               (func (export "_start") {body}))"#
        );
        run(&[], &scratch.wat(&module), &[]).is(134, &[words, "at _start (offset 0x"]);
    }
}

#[test]
fn a_trap_before_the_entry_is_one_too() {
    let scratch = Scratch::new();
    let data = r#"(module (memory 1) (data (i32.const 65535) "ab") (func (export "_start")))"#;
    run(&[], &scratch.wat(data), &[]).is(134, &["wasm trap: "]);
    let start = r#"(module (func $begin unreachable) (start $begin) (func (export "_start")))"#;
    run(&[], &scratch.wat(start), &[]).is(134, &["the program gave up", "at begin"]);
}

#[test]
fn source_lines_come_from_dwarf() {
    let source = "static inline __attribute__((always_inline)) int quotient(int n) {\n  return 10 / n;\n}\n\
        __attribute__((noinline)) int work(int n) {\n  return quotient(n) + 1;\n}\n\
        int main(int argc, char **argv) {\n  return work(argc - 1);\n}\n";
    let scratch = Scratch::new();
    match scratch.c(source, &["-O1", "-g"]) {
        Ok(module) => {
            run(&[], &module, &[]).is(134, &["at quotient (inlined, ", "main.c:2)", "at work (offset 0x", "main.c:5)", "at main"])
        }
        Err(reason) => crate::skip!("{reason}"),
    }
}

#[test]
fn a_module_without_names_has_numbers() {
    let scratch = Scratch::new();
    let module = r#"(module (func (export "_start") call 1) (func nop unreachable))"#;
    run(&[], &scratch.wat(module), &[]).is(134, &["at function 1 (offset", "at _start"]);
}

/// Whoever puts a new version in the place of the old one while that runs must not get a bus error for a report.
#[test]
fn a_module_that_is_cut_short_while_it_runs() {
    let source = r#"#include <stdio.h>
        int main(void) { fclose(fopen("/here/main.wasm", "w")); __builtin_trap(); }"#;
    let scratch = Scratch::new();
    match scratch.c(source, &["-O1"]) {
        Ok(module) => {
            let dir = format!("dir=/here:{}", scratch.path().display());
            run(&[&dir], &module, &[]).is(134, &["wasm trap: the module's file has been cut short"]);
        }
        Err(reason) => crate::skip!("{reason}"),
    }
}

#[test]
fn a_deep_stack_is_shown_in_part() {
    let scratch = Scratch::new();
    let module = r#"(module (func $down (param i32) (if (local.get 0) (then (call $down (i32.sub (local.get 0) (i32.const 1)))) (else unreachable)))
        (func (export "_start") (call $down (i32.const 1000))))"#;
    let ended = run(&[], &scratch.wat(module), &[]);
    ended.is(134, &["or more functions further out"]);
    assert!(ended.stderr.lines().count() < 40, "{ended:?}");
}
