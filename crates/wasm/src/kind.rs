//! What a file is, by its first bytes. Pure.

const MAGIC: &[u8] = b"\0asm";
/// Version 1, layer 0 (core specification, 5.5.16).
const MODULE: [u8; 4] = [1, 0, 0, 0];

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A core module: what the engine runs.
    Module,
    /// A component (WASI 0.2 and later).
    Component,
    /// A module in text form.
    Text,
    /// It begins like a module and ends before its version.
    Truncated,
    /// A module of another version of the binary format.
    UnknownVersion(u32),
    /// Anything else, an empty file too.
    NotWasm,
}

/// Classifies a file by its first bytes: eight are enough for the binary forms; for text, as many as its leading comments take.
#[must_use]
pub fn classify(bytes: &[u8]) -> Kind {
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        return match bytes {
            [] => Kind::NotWasm,
            _ if MAGIC.starts_with(bytes) => Kind::Truncated,
            _ if is_text(bytes) => Kind::Text,
            _ => Kind::NotWasm,
        };
    };
    match rest.first_chunk::<4>() {
        None => Kind::Truncated,
        Some(&MODULE) => Kind::Module,
        // The upper half is the layer: 1 is the component model's.
        Some(&[_, _, 1, 0]) => Kind::Component,
        Some(&version) => Kind::UnknownVersion(u32::from_le_bytes(version)),
    }
}

/// An S-expression that begins with `module` or `component`, after blanks and comments.
fn is_text(bytes: &[u8]) -> bool {
    let text = skip_comments(bytes);
    let Some(inner) = text.strip_prefix(b"(") else { return false };
    let inner = inner.trim_ascii_start();
    [&b"module"[..], b"component"].iter().any(|word| {
        inner
            .strip_prefix(*word)
            .is_some_and(|rest| rest.first().is_none_or(|&next| next.is_ascii_whitespace() || b"()".contains(&next)))
    })
}

fn skip_comments(bytes: &[u8]) -> &[u8] {
    let text = bytes.trim_ascii_start();
    if text.starts_with(b";;") {
        let end = text.iter().position(|&byte| byte == b'\n').map_or(text.len(), |at| at + 1);
        return skip_comments(&text[end..]);
    }
    if text.starts_with(b"(;") {
        let end = text.windows(2).position(|pair| pair == b";)").map_or(text.len(), |at| at + 2);
        return skip_comments(&text[end..]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_forms_are_told_apart_by_version_and_layer() {
        assert_eq!(classify(b"\0asm\x01\0\0\0rest"), Kind::Module);
        assert_eq!(classify(b"\0asm\x0d\0\x01\0"), Kind::Component);
        assert_eq!(classify(b"\0asm\x02\0\0\0"), Kind::UnknownVersion(2));
    }

    #[test]
    fn a_file_that_ends_in_the_header_is_truncated() {
        for length in 1..8 {
            assert_eq!(classify(&b"\0asm\x01\0\0\0"[..length]), Kind::Truncated, "{length}");
        }
        assert_eq!(classify(b""), Kind::NotWasm);
    }

    #[test]
    fn text_is_known_behind_comments() {
        assert_eq!(classify(b"(module)"), Kind::Text);
        assert_eq!(classify(b" ;; hello\n(; more ;)\n( module $a (func))"), Kind::Text);
        assert_eq!(classify(b"(component)"), Kind::Text);
        assert_eq!(classify(b"(modules)"), Kind::NotWasm);
        assert_eq!(classify(b"(; never ends"), Kind::NotWasm);
    }

    #[test]
    fn programs_are_not_wasm() {
        assert_eq!(classify(b"\x7fELF\x02\x01\x01\0"), Kind::NotWasm);
        assert_eq!(classify(b"#!/bin/sh\n"), Kind::NotWasm);
        assert_eq!(classify(b"\0bsm\x01\0\0\0"), Kind::NotWasm);
    }
}
