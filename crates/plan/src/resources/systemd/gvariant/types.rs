//! Types of D-Bus (D-Bus Specification, "Type System"), and how two halves of one are put together.

use super::DEEPEST;
use std::fmt;

/// A type, perhaps not known to its end yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Type {
    /// The element of an empty array.
    Unknown,
    /// A number without a type: any that it fits; `i` by default, or `d` with a fraction.
    Number {
        fraction: bool,
    },
    /// One letter: `b`, `y`, `n`, `q`, `i`, `u`, `x`, `t`, `d`, `s`.
    Basic(char),
    Array(Box<Type>),
    Tuple(Vec<Type>),
}

impl Type {
    /// From a word as `uint64`.
    pub(super) fn of_keyword(word: &str) -> Option<Type> {
        let letter = match word {
            "boolean" => 'b',
            "byte" => 'y',
            "int16" => 'n',
            "uint16" => 'q',
            "int32" => 'i',
            "uint32" => 'u',
            "int64" => 'x',
            "uint64" => 't',
            "double" => 'd',
            "string" => 's',
            _ => return None,
        };
        Some(Type::Basic(letter))
    }

    /// From a signature as `a(st)`.
    pub(super) fn of_signature(signature: &str) -> Result<Type, String> {
        let mut letters = signature.chars();
        let found = Type::read(&mut letters, 0).ok_or_else(|| format!("`{signature}` is no type that a property has"))?;
        match letters.next() {
            None => Ok(found),
            Some(_) => Err(format!("`{signature}` is more than one type")),
        }
    }

    fn read(letters: &mut std::str::Chars<'_>, depth: usize) -> Option<Type> {
        if depth > DEEPEST {
            return None;
        }
        match letters.next()? {
            'a' => Some(Type::Array(Box::new(Type::read(letters, depth + 1)?))),
            '(' => {
                let mut members = Vec::new();
                while !letters.as_str().starts_with(')') {
                    members.push(Type::read(letters, depth + 1)?);
                }
                letters.next();
                (!members.is_empty()).then_some(Type::Tuple(members))
            }
            letter => "bynqiuxtds".contains(letter).then_some(Type::Basic(letter)),
        }
    }

    /// The type that both can be.
    pub(super) fn unify(self, other: Type) -> Result<Type, String> {
        match (self, other) {
            (Type::Unknown, known) | (known, Type::Unknown) => Ok(known),
            (Type::Number { fraction: one }, Type::Number { fraction: other }) => Ok(Type::Number { fraction: one | other }),
            (Type::Number { fraction }, Type::Basic(letter)) | (Type::Basic(letter), Type::Number { fraction })
                if letter == 'd' || (!fraction && "ynqiuxt".contains(letter)) =>
            {
                Ok(Type::Basic(letter))
            }
            (Type::Array(one), Type::Array(other)) => Ok(Type::Array(Box::new(one.unify(*other)?))),
            (Type::Tuple(one), Type::Tuple(other)) if one.len() == other.len() => {
                let members: Result<_, _> = one.into_iter().zip(other).map(|(one, other)| one.unify(other)).collect();
                Ok(Type::Tuple(members?))
            }
            (one, other) if one == other => Ok(one),
            (one, other) => Err(format!("{one} and {other} do not go together")),
        }
    }

    /// With the defaults in place of what nothing decides.
    pub(super) fn decided(self) -> Result<Type, String> {
        Ok(match self {
            Type::Unknown => return Err("an empty array needs its type before it, as in `@as []`".to_owned()),
            Type::Number { fraction } => Type::Basic(if fraction { 'd' } else { 'i' }),
            Type::Array(element) => Type::Array(Box::new(element.decided()?)),
            Type::Tuple(members) => Type::Tuple(members.into_iter().map(Type::decided).collect::<Result<_, _>>()?),
            basic @ Type::Basic(_) => basic,
        })
    }
}

/// The signature.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Unknown => f.write_str("?"),
            Type::Number { .. } => f.write_str("a number"),
            Type::Basic(letter) => write!(f, "{letter}"),
            Type::Array(element) => write!(f, "a{element}"),
            Type::Tuple(members) => {
                f.write_str("(")?;
                members.iter().try_for_each(|member| member.fmt(f))?;
                f.write_str(")")
            }
        }
    }
}
