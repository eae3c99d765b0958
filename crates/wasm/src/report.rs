//! What a trap looks like on stderr: the reason in plain words, then the functions, as far as the engine tells where it was.

use crate::engine::Failure;
use crate::names::Names;
use crate::{dwarf, log};
use std::fmt::Write;
use wasmedge_sys::ffi;

/// How many functions are shown; in a deep stack these are the innermost.
const SHOWN: usize = 32;
/// The engine keeps no more, and they are the outermost.
const ENGINE_KEEPS: usize = 256;

/// What the engine logged about a trap.
#[derive(Debug, Default, PartialEq, Eq)]
struct Place {
    /// In the engine's words, like `i32.div_s`.
    instruction: Option<String>,
    /// In the file.
    offset: Option<u64>,
    /// For an access out of bounds: first byte, last byte, last byte of the memory.
    access: Option<(u64, u64, u64)>,
    /// Function indices as they were logged.
    stack: Vec<u32>,
}

/// What ran when it trapped.
pub(crate) struct Run<'a> {
    /// The module's file; empty if it cannot be read any more.
    pub(crate) module: &'a [u8],
    /// The exported function that was called; `None` while the module was instantiated.
    pub(crate) called: Option<&'a str>,
    pub(crate) compiled: bool,
    pub(crate) fuel: Option<u64>,
}

/// The whole report, with a final newline.
pub(crate) fn trap(failure: &Failure, run: &Run<'_>) -> String {
    let place = Place::read(&log::lines());
    let names = Names::read(run.module);
    let mut text = format!("wasm trap: {}", reason(failure, run.fuel, place.instruction.as_deref()));
    if let Some((from, to, last)) = place.access {
        let _ = write!(text, ": bytes {from:#x} to {to:#x} of a memory that ends at {last:#x}");
    }
    if let Some(instruction) = place.instruction.as_ref().filter(|name| *name != "unreachable") {
        let _ = write!(text, " ({instruction})");
    }
    text.push('\n');
    for line in stack(&place, &names, run) {
        let _ = writeln!(text, "  at {line}");
    }
    if run.compiled && failure.code >= FIRST_TRAP {
        text.push_str(
            "  compiled code keeps neither offsets nor functions that were inlined: \
             to see them, run interpreted (annotation org.skiff.wasm.interpret=true)\n",
        );
    }
    text
}

/// Codes from here on are of the execution phase.
const FIRST_TRAP: u32 = ffi::WasmEdge_ErrCode_WrongInstanceAddress;

fn reason(failure: &Failure, fuel: Option<u64>, instruction: Option<&str>) -> String {
    let plain = match failure.code {
        ffi::WasmEdge_ErrCode_Unreachable => "the program gave up (unreachable: an abort, a failed assertion or a panic)",
        ffi::WasmEdge_ErrCode_DivideByZero => "integer division by zero",
        ffi::WasmEdge_ErrCode_IntegerOverflow => overflow(instruction),
        ffi::WasmEdge_ErrCode_InvalidConvToInt => "a floating-point number has no integer to become",
        ffi::WasmEdge_ErrCode_MemoryOutOfBounds => "access out of the memory's bounds",
        ffi::WasmEdge_ErrCode_TableOutOfBounds => "access out of a table's bounds",
        ffi::WasmEdge_ErrCode_UninitializedElement => "call through a function pointer that is null",
        ffi::WasmEdge_ErrCode_UndefinedElement => "call through a function pointer that is none",
        ffi::WasmEdge_ErrCode_IndirectCallTypeMismatch => "call through a function pointer of another type",
        ffi::WasmEdge_ErrCode_UncaughtException => "an exception that nothing caught",
        ffi::WasmEdge_ErrCode_DataSegDoesNotFit => "the module's data does not fit into its memory",
        ffi::WasmEdge_ErrCode_ElemSegDoesNotFit => "the module's functions do not fit into its table",
        ffi::WasmEdge_ErrCode_CostLimitExceeded => {
            return format!("the fuel limit of {} instructions is used up", fuel.unwrap_or_default());
        }
        _ => return failure.message.clone(),
    };
    plain.into()
}

/// The engine has one code for two mistakes; compiled, it does not know the instruction.
fn overflow(instruction: Option<&str>) -> &'static str {
    match instruction {
        Some(name) if name.contains("trunc") => "a floating-point number is too large for the integer",
        Some(_) => "integer overflow in a division",
        None => "integer overflow in a division, or a floating-point number that is too large for an integer",
    }
}

/// Innermost first.
fn stack(place: &Place, names: &Names, run: &Run<'_>) -> Vec<String> {
    let mut lines = place.offset.map(|offset| innermost(offset, names, run.module)).unwrap_or_default();
    let callers = callers(place, names, run);
    lines.extend(callers.iter().take(SHOWN).map(|&index| names.of(index)));
    if callers.len() > SHOWN {
        let more = if place.stack.len() >= ENGINE_KEEPS { "or more " } else { "" };
        lines.push(format!("{} {more}functions further out", callers.len() - SHOWN));
    }
    lines
}

/// The functions that were waiting, innermost first, with the one that was called at the end.
///
/// Interpreted, the engine logs the outermost first, the called one twice, and leaves out who calls in its first instruction.
/// Compiled, it logs the innermost first, and takes every address of its own for the module's last function.
fn callers(place: &Place, names: &Names, run: &Run<'_>) -> Vec<u32> {
    let mut callers: Vec<u32> = if run.compiled {
        let is_module = |index: &&u32| Some(**index) != names.last();
        let inner: Vec<_> = place.stack.iter().skip_while(|index| !is_module(index)).collect();
        let outer = inner.iter().rev().skip_while(|index| !is_module(index)).count();
        inner.into_iter().take(outer).copied().collect()
    } else {
        place.stack.iter().skip(1).rev().copied().collect()
    };
    let called = run.called.and_then(|name| names.exported(name));
    let innermost = callers.is_empty().then(|| names.at(place.offset?)).flatten();
    if called.is_some() && callers.last().copied().or(innermost) != called {
        callers.extend(called);
    }
    callers
}

/// The function that trapped, with its source line, and those that were inlined into it.
fn innermost(offset: u64, names: &Names, module: &[u8]) -> Vec<String> {
    let Some(index) = names.at(offset) else { return vec![format!("offset {offset:#x}")] };
    let name = names.of(index);
    let lines = dwarf::lines(module, offset - names.code);
    let Some((last, inlined)) = lines.split_last() else { return vec![format!("{name} (offset {offset:#x})")] };
    let place = |line: &dwarf::Line| line.place.clone().map(|place| format!(", {place}")).unwrap_or_default();
    let mut shown: Vec<_> = inlined
        .iter()
        .map(|line| format!("{} (inlined{})", line.function.as_deref().unwrap_or("a function"), place(line)))
        .collect();
    shown.push(format!("{name} (offset {offset:#x}{})", place(last)));
    shown
}

impl Place {
    fn read(lines: &[String]) -> Self {
        let mut place = Self::default();
        for line in lines {
            let line = line.trim();
            if let Some(rest) = line.strip_prefix("In instruction: ") {
                place.instruction = rest.split(' ').next().map(str::to_owned);
                place.offset = after(rest, "Bytecode offset: 0x").and_then(|hex| u64::from_str_radix(hex, 16).ok());
            } else if let Some(rest) = line.strip_prefix("calling stack:") {
                place.stack = rest.split(',').map_while(|index| index.trim().parse().ok()).collect();
            } else if line.starts_with("Accessing offset from: ") {
                let hex = |word| after(line, word).and_then(|hex| u64::from_str_radix(hex, 16).ok());
                place.access =
                    hex("from: 0x").zip(hex("to: 0x")).zip(hex("boundary: 0x")).map(|((from, to), last)| (from, to, last));
            }
        }
        place
    }
}

/// The hexadecimal digits behind `word`.
fn after<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    let rest = &line[line.find(word)? + word.len()..];
    Some(&rest[..rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engines_lines_are_understood() {
        let lines = [
            "execution failed: out of bounds memory access, Code: 0x408",
            "    Accessing offset from: 0x00011170 to: 0x00011173 , Out of boundary: 0x0000ffff",
            "    In instruction: i32.store (0x2c) , Bytecode offset: 0x0000003b",
            "calling stack:5, 5, 4, 3",
        ]
        .map(str::to_owned);
        let place = Place::read(&lines);
        let expected = Place {
            instruction: Some("i32.store".into()),
            offset: Some(0x3b),
            access: Some((0x11170, 0x11173, 0xffff)),
            stack: vec![5, 5, 4, 3],
        };
        assert_eq!(place, expected);
    }

    #[test]
    fn the_engines_stacks_are_set_right() {
        let calls = r#"(module (func $a) (func $b call $a) (func (export "go") call $b))"#;
        let module = wat::parse_str(calls).unwrap();
        let callers = |stack: &[u32], compiled, called| {
            let place = Place { stack: stack.to_vec(), ..Place::default() };
            callers(&place, &Names::read(&module), &Run { module: &module, called, compiled, fuel: None })
        };
        assert_eq!(callers(&[2, 2, 1], false, Some("go")), [1, 2]);
        assert_eq!(callers(&[2], false, Some("go")), [2]);
        assert_eq!(callers(&[2, 2, 1, 2, 2], true, Some("go")), [1, 2]);
        assert_eq!(callers(&[2, 2], true, Some("go")), [2]);
        assert!(callers(&[], false, None).is_empty());
    }

    #[test]
    fn words_that_are_not_understood_give_no_place() {
        assert_eq!(Place::read(&["something else".into(), "calling stack:".into()]), Place::default());
    }
}
