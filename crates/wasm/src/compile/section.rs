//! A module and the section that its compiled code is kept in. The bytes are an enemy's: only the frames of sections are looked
//! at. Runs in the compiler's parent process, and in init to put the two together.

use std::borrow::Cow;
use std::ops::Range;

/// The custom section that WasmEdge looks for native code in.
const NAME: &[u8] = b"wasmedge";
/// Magic and version.
pub(crate) const PREAMBLE: usize = 8;
/// Of an unsigned LEB128 of 32 bits, bytes.
pub(crate) const LONGEST_NUMBER: usize = 5;

/// The module as the engine shall see it: without native code that came with it, which is never trusted. `None`: its sections do
/// not add up.
#[must_use]
pub fn without_code(module: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut found = Vec::new();
    let mut at = PREAMBLE;
    while at < module.len() {
        let (whole, is_code) = section(module, at)?;
        at = whole.end;
        if is_code {
            found.push(whole);
        }
    }
    if at != module.len() {
        return None;
    }
    if found.is_empty() {
        return Some(Cow::Borrowed(module));
    }
    let mut left = Vec::with_capacity(module.len());
    let mut from = 0;
    for cut in found {
        left.extend_from_slice(&module[from..cut.start]);
        from = cut.end;
    }
    left.extend_from_slice(&module[from..]);
    Some(Cow::Owned(left))
}

/// The module with the code that the cache has for it, ready to be loaded as compiled.
#[must_use]
pub fn with_code(module: &[u8], code: &[u8]) -> Option<Vec<u8>> {
    let mut whole = without_code(module)?.into_owned();
    whole.extend_from_slice(code);
    Some(whole)
}

/// What the compiler has added to the module: one section with code, and nothing else.
pub(crate) fn added<'a>(module: &[u8], output: &'a [u8]) -> Option<&'a [u8]> {
    let code = output.strip_prefix(module)?;
    match section(code, 0)? {
        (whole, true) if whole.end == code.len() => Some(code),
        _ => None,
    }
}

/// Where the section at `at` lies, frame included, and whether it is one with code.
fn section(bytes: &[u8], at: usize) -> Option<(Range<usize>, bool)> {
    let id = *bytes.get(at)?;
    let (size, body) = number(bytes, at + 1)?;
    let end = body.checked_add(size)?;
    if end > bytes.len() {
        return None;
    }
    let is_code = id == 0 && {
        let (length, name) = number(&bytes[..end], body)?;
        bytes[..end].get(name..name.checked_add(length)?)? == NAME
    };
    Some((at..end, is_code))
}

/// An unsigned LEB128 of 32 bits, and where it ends.
pub(crate) fn number(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let mut value = 0u64;
    for (index, &byte) in bytes.get(at..)?.iter().take(LONGEST_NUMBER).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok().filter(|_| value <= u64::from(u32::MAX))?, at + index + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &[u8] = b"\0asm\x01\0\0\0";
    const CODE: &[u8] = b"\0\x0c\x08wasmedgexyz";

    fn joined(parts: &[&[u8]]) -> Vec<u8> {
        parts.concat()
    }

    #[test]
    fn code_of_an_image_is_taken_out_wherever_it_is() {
        let types = b"\x01\x04\x01\x60\0\0";
        let named = b"\0\x05\x04name";
        for parts in
            [vec![CODE], vec![CODE, types, CODE], vec![types, CODE, named], vec![named, b"\0\x8c\x80\x80\x80\0\x08wasmedgexyz"]]
        {
            let module = joined(&[&[EMPTY], parts.as_slice()].concat());
            let clean: Vec<&[u8]> = parts.iter().copied().filter(|part| !part.ends_with(b"xyz")).collect();
            assert_eq!(without_code(&module).unwrap(), joined(&[&[EMPTY], clean.as_slice()].concat()));
        }
        assert!(matches!(without_code(EMPTY), Some(Cow::Borrowed(_))));
    }

    #[test]
    fn what_does_not_add_up_is_nothing() {
        for rest in
            [&b"\x01"[..], b"\x01\x05a", b"\0\x02\x08w", b"\0\xff\xff\xff\xff\x7f", b"\0\xff\xff\xff\xff\xff\xff\0", b"\0\0"]
        {
            assert_eq!(without_code(&joined(&[EMPTY, rest])), None, "{rest:?}");
        }
        assert_eq!(without_code(b"\0as"), None);
    }

    #[test]
    fn a_compiler_may_add_one_section_and_change_nothing() {
        let output = joined(&[EMPTY, CODE]);
        assert_eq!(added(EMPTY, &output), Some(CODE));
        assert_eq!(with_code(EMPTY, CODE), Some(output.clone()));
        let types: &[u8] = b"\x01\x01\0";
        for output in [
            joined(&[EMPTY]),
            joined(&[EMPTY, CODE, CODE]),
            joined(&[EMPTY, types, CODE]),
            joined(&[CODE]),
            joined(&[EMPTY, types]),
        ] {
            assert_eq!(added(EMPTY, &output), None, "{output:?}");
        }
    }
}
