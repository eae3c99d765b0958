//! Values, what is no value, and that a printed value reads as itself.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::parse;
use crate::Variant;
use crate::fixtures::Random;

#[test]
fn values() {
    let text = |text: &str| Variant::Text(text.to_owned());
    let array = |element: &str, values| Variant::Array(element.to_owned(), values);
    let table = [
        ("15", Variant::I32(15)),
        ("uint64 10000000", Variant::U64(10_000_000)),
        ("true", Variant::Bool(true)),
        ("boolean false", Variant::Bool(false)),
        ("'inactive-or-failed'", text("inactive-or-failed")),
        (r#" "it's" "#, text("it's")),
        (r"'a\'b\\\n\u00e9'", text("a'b\\\né")),
        ("string 'x'", text("x")),
        ("-0x10", Variant::I32(-16)),
        ("byte 017", Variant::Byte(15)),
        ("@t 5", Variant::U64(5)),
        ("1.5", Variant::Double(1.5f64.to_bits())),
        ("double 2", Variant::Double(2f64.to_bits())),
        ("int16 -3", Variant::I16(-3)),
        ("@as []", array("s", vec![])),
        ("['a', 'b']", array("s", vec![text("a"), text("b")])),
        ("[1, uint64 2]", array("t", vec![Variant::U64(1), Variant::U64(2)])),
        ("[1, 2.5]", array("d", vec![Variant::Double(1f64.to_bits()), Variant::Double(2.5f64.to_bits())])),
        ("('a', uint32 1)", Variant::Struct(vec![text("a"), Variant::U32(1)])),
        ("(5,)", Variant::Struct(vec![Variant::I32(5)])),
        ("@a(st) [('/dev/sda', 5)]", array("(st)", vec![Variant::Struct(vec![text("/dev/sda"), Variant::U64(5)])])),
        ("[[], [1]]", array("ai", vec![array("i", vec![]), array("i", vec![Variant::I32(1)])])),
    ];
    for (text, expected) in table {
        assert_eq!(parse(text), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_no_value() {
    let table = [
        ("", "a value is missing"),
        ("hello", "`hello` is no value: a string needs quotes"),
        ("'open", "a quote is missing at the end of a string"),
        ("5 6", "`6` is left over"),
        ("[]", "an empty array needs its type before it, as in `@as []`"),
        ("[1, 'a']", "a number and s do not go together"),
        ("[1", "`]` is missing"),
        ("uint64 -1", "`-1` is out of the range of the type `t`"),
        ("byte 256", "`256` is out of the range of the type `y`"),
        ("3000000000", "`3000000000` is out of the range of the type `i`"),
        ("1x", "`1x` is no number"),
        ("0x-1", "`0x-1` is no number"),
        ("int32 1.5", "i and a number do not go together"),
        ("@z 1", "`z` is no type that a property has"),
        ("@ss 'a'", "`ss` is more than one type"),
        ("@a{ss} []", "`a{ss}` is no type that a property has"),
        ("()", "D-Bus has no empty struct"),
        (r"'\u12'", r"`\u12'` is no character"),
        (r"'\ud800'", r"`\ud800` is no character"),
    ];
    for (text, expected) in table {
        assert_eq!(parse(text), Err(expected.to_owned()), "{text}");
    }
}

#[test]
fn depth_is_bounded() {
    for (open, close) in [("[", "]"), ("(", ",)")] {
        let nested = |depth: usize| parse(&format!("{}1{}", open.repeat(depth), close.repeat(depth)));
        assert!(nested(30).is_ok());
        assert_eq!(nested(100_000), Err("nested too deep".to_owned()));
    }
    assert!(parse(&format!("@{}s 1", "a".repeat(100_000))).is_err());
    assert_eq!(parse(&"int32 ".repeat(100_000)), Err("nested too deep".to_owned()));
}

#[test]
fn a_printed_value_reads_as_itself() {
    let mut random = Random(0xbead);
    for _ in 0..2000 {
        let signature = signature(&mut random, 0);
        let value = value(&mut random, &signature);
        let text = format!("@{signature} {}", print(&value));
        assert_eq!(parse(&text), Ok(value), "{text}");
    }
}

fn signature(random: &mut Random, depth: u32) -> String {
    match random.below(if depth < 3 { 12 } else { 10 }) {
        10 => format!("a{}", signature(random, depth + 1)),
        11 => {
            let members: String = (0..=random.below(3)).map(|_| signature(random, depth + 1)).collect();
            format!("({members})")
        }
        letter => "bynqiuxtds".chars().nth(letter as usize).unwrap().to_string(),
    }
}

/// The first whole type of a signature, and the rest.
fn split(signature: &str) -> (&str, &str) {
    let end = match signature.as_bytes()[0] {
        b'a' => 1 + split(&signature[1..]).0.len(),
        b'(' => {
            let mut rest = &signature[1..];
            while !rest.starts_with(')') {
                rest = split(rest).1;
            }
            signature.len() - rest.len() + 1
        }
        _ => 1,
    };
    signature.split_at(end)
}

fn value(random: &mut Random, signature: &str) -> Variant {
    let number = random.below(u64::MAX);
    match signature.as_bytes()[0] {
        b'b' => Variant::Bool(number & 1 == 1),
        b'y' => Variant::Byte(number as u8),
        b'n' => Variant::I16(number as i16),
        b'q' => Variant::U16(number as u16),
        b'i' => Variant::I32(number as i32),
        b'u' => Variant::U32(number as u32),
        b'x' => Variant::I64(number as i64),
        b't' => Variant::U64(number),
        b'd' => Variant::Double((number as i32 as f64 / 64.0).to_bits()),
        b's' => Variant::Text((0..number % 5).map(|_| random.one_of(&['a', '\'', '"', '\\', '\n', 'é', ' ', ']'])).collect()),
        b'a' => {
            let element = &signature[1..];
            Variant::Array(element.to_owned(), (0..number % 4).map(|_| value(random, element)).collect())
        }
        _ => {
            let mut rest = &signature[1..signature.len() - 1];
            let mut members = Vec::new();
            while !rest.is_empty() {
                let (first, others) = split(rest);
                members.push(value(random, first));
                rest = others;
            }
            Variant::Struct(members)
        }
    }
}

fn print(value: &Variant) -> String {
    let all = |values: &[Variant]| values.iter().map(print).collect::<Vec<_>>().join(", ");
    match value {
        Variant::Bool(value) => value.to_string(),
        Variant::Byte(value) => value.to_string(),
        Variant::I16(value) => value.to_string(),
        Variant::U16(value) => value.to_string(),
        Variant::I32(value) => value.to_string(),
        Variant::U32(value) => value.to_string(),
        Variant::I64(value) => value.to_string(),
        Variant::U64(value) => value.to_string(),
        Variant::Double(bits) => format!("{:?}", f64::from_bits(*bits)),
        Variant::Text(text) => format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'").replace('\n', r"\n")),
        Variant::Array(_, values) => format!("[{}]", all(values)),
        Variant::Struct(members) if members.len() == 1 => format!("({},)", all(members)),
        Variant::Struct(members) => format!("({})", all(members)),
    }
}
