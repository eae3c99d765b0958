//! From the tree to the value.

use super::Node;
use super::types::Type;
use crate::Variant;

/// The type of a whole value, decided.
pub(super) fn infer(node: &Node) -> Result<Type, String> {
    found(node)?.decided()
}

/// The type as far as the value itself tells.
fn found(node: &Node) -> Result<Type, String> {
    match node {
        Node::Number(text) => Ok(Type::Number { fraction: !hexadecimal(text) && text.contains(['.', 'e', 'E']) }),
        Node::Bool(_) => Ok(Type::Basic('b')),
        Node::Text(_) => Ok(Type::Basic('s')),
        Node::Array(elements) => {
            let element = elements.iter().try_fold(Type::Unknown, |known, element| known.unify(found(element)?))?;
            Ok(Type::Array(Box::new(element)))
        }
        Node::Tuple(members) => Ok(Type::Tuple(members.iter().map(found).collect::<Result<_, _>>()?)),
        Node::Typed(said, inner) => said.clone().unify(found(inner)?),
    }
}

/// The value of a type that was inferred from it.
pub(super) fn build(node: &Node, wanted: &Type) -> Result<Variant, String> {
    match (node, wanted) {
        (Node::Typed(_, inner), _) => build(inner, wanted),
        (Node::Bool(value), _) => Ok(Variant::Bool(*value)),
        (Node::Text(text), _) => Ok(Variant::Text(text.clone())),
        (Node::Number(text), Type::Basic(letter)) => number(text, *letter),
        (Node::Array(elements), Type::Array(element)) => {
            let values: Result<_, _> = elements.iter().map(|node| build(node, element)).collect();
            Ok(Variant::Array(element.to_string(), values?))
        }
        (Node::Tuple(members), Type::Tuple(types)) => {
            let values: Result<_, _> = members.iter().zip(types).map(|(node, wanted)| build(node, wanted)).collect();
            Ok(Variant::Struct(values?))
        }
        _ => Err(format!("is no {wanted}")),
    }
}

fn number(text: &str, letter: char) -> Result<Variant, String> {
    if letter == 'd' {
        let plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
        let value = if plain { text.parse::<f64>().ok() } else { None };
        return value.map(|value| Variant::Double(value.to_bits())).ok_or_else(|| format!("`{text}` is no number"));
    }
    let whole = integer(text).ok_or_else(|| format!("`{text}` is no number"))?;
    let fitting = match letter {
        'y' => u8::try_from(whole).ok().map(Variant::Byte),
        'n' => i16::try_from(whole).ok().map(Variant::I16),
        'q' => u16::try_from(whole).ok().map(Variant::U16),
        'i' => i32::try_from(whole).ok().map(Variant::I32),
        'u' => u32::try_from(whole).ok().map(Variant::U32),
        'x' => i64::try_from(whole).ok().map(Variant::I64),
        _ => u64::try_from(whole).ok().map(Variant::U64),
    };
    fitting.ok_or_else(|| format!("`{text}` is out of the range of the type `{letter}`"))
}

fn hexadecimal(text: &str) -> bool {
    text.trim_start_matches(['+', '-']).starts_with("0x")
}

/// As C reads it: `0x1f`, `017`, `-3`.
fn integer(text: &str) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let (radix, digits) = match digits.strip_prefix("0x") {
        Some(digits) => (16, digits),
        None if digits.len() > 1 && digits.starts_with('0') => (8, digits),
        None => (10, digits),
    };
    // `from_str_radix` would take another sign.
    let value = if digits.starts_with(['+', '-']) { None } else { i128::from_str_radix(digits, radix).ok() };
    value.and_then(|value| value.checked_mul(sign))
}
