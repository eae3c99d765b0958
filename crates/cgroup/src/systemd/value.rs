//! Properties of units as D-Bus has them.

use super::UnitError;
use rustbus::message_builder::MarshalledMessageBody;
use rustbus::params::{Array, Base, Container, Param, Variant as Any};
use rustbus::signature::Type;
use skiff_plan::{UnitProperty, Variant};

/// A value that owns what it holds.
pub(super) type Value = Param<'static, 'static>;

/// The array of names and values that methods take.
///
/// # Errors
/// The first property whose value cannot be sent.
pub(super) fn properties(properties: &[UnitProperty]) -> Result<Value, UnitError> {
    let values = properties.iter().map(property).collect::<Result<_, _>>()?;
    array("(sv)", values).map_err(UnitError::Connection)
}

/// No further units, as the last argument of StartTransientUnit.
///
/// # Errors
/// None that is known.
pub(super) fn no_units() -> Result<Value, UnitError> {
    array("(sa(sv))", Vec::new()).map_err(UnitError::Connection)
}

pub(super) fn text(text: &str) -> Value {
    Param::Base(Base::String(text.to_owned()))
}

/// A name and its value.
fn property(property: &UnitProperty) -> Result<Value, UnitError> {
    let bad = |why: String| UnitError::Property { name: property.name.clone(), why };
    let value = param(&property.value).map_err(bad)?;
    let any = Param::Container(Container::Variant(Box::new(Any { sig: value.sig(), value })));
    let pair = Param::Container(Container::Struct(vec![text(&property.name), any]));
    // Alone first: inside a message nobody could tell which one it was.
    MarshalledMessageBody::new().push_old_param(&pair).map_err(|error| bad(error.to_string()))?;
    Ok(pair)
}

/// Not an array of an unknown type, nor an empty struct: D-Bus has neither.
fn param(value: &Variant) -> Result<Value, String> {
    Ok(Param::Base(match value {
        Variant::Bool(value) => Base::Boolean(*value),
        Variant::Byte(value) => Base::Byte(*value),
        Variant::I16(value) => Base::Int16(*value),
        Variant::U16(value) => Base::Uint16(*value),
        Variant::I32(value) => Base::Int32(*value),
        Variant::U32(value) => Base::Uint32(*value),
        Variant::I64(value) => Base::Int64(*value),
        Variant::U64(value) => Base::Uint64(*value),
        Variant::Double(bits) => Base::Double(*bits),
        Variant::Text(value) => Base::String(value.clone()),
        Variant::Array(signature, values) => return array(signature, values.iter().map(param).collect::<Result<_, _>>()?),
        Variant::Struct(fields) if fields.is_empty() => return Err("an empty struct".to_owned()),
        Variant::Struct(fields) => {
            return Ok(Param::Container(Container::Struct(fields.iter().map(param).collect::<Result<_, _>>()?)));
        }
    }))
}

/// An array of the one type that `signature` names.
fn array(signature: &str, values: Vec<Value>) -> Result<Value, String> {
    let mut types = Type::parse_description(signature).map_err(|error| format!("{signature:?}: {error}"))?;
    match (types.pop(), types.is_empty()) {
        (Some(element_sig), true) => Ok(Param::Container(Container::Array(Array { element_sig, values }))),
        _ => Err(format!("{signature:?} is not one type")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use rustbus::message_builder::MarshalledMessage;

    /// Signature and bytes of the array.
    fn sent(value: Variant) -> Result<(String, Vec<u8>), UnitError> {
        let mut message = MarshalledMessage::new();
        message.body.push_old_param(&properties(&[UnitProperty { name: "P".into(), value, since: 0 }])?).unwrap();
        Ok((message.get_sig().to_owned(), message.get_buf().to_vec()))
    }

    #[test]
    fn values_as_the_specification_has_them() {
        // Length, padding to 8, "P", then for each its signature and the aligned value.
        let head = |length: u32| [&length.to_ne_bytes()[..], &[0; 4], &1u32.to_ne_bytes(), b"P\0"].concat();
        let u64s = [&head(24)[..], b"\x01t\0", &[0; 7], &7u64.to_ne_bytes()].concat();
        assert_eq!(sent(Variant::U64(7)).unwrap(), ("a(sv)".into(), u64s));
        let text = [&head(18)[..], b"\x01s\0", &[0; 3], &1u32.to_ne_bytes(), b"x\0"].concat();
        assert_eq!(sent(Variant::Text("x".into())).unwrap().1, text);
        let bytes = [&head(17)[..], b"\x02ay\0", &[0; 2], &1u32.to_ne_bytes(), &[9]].concat();
        assert_eq!(sent(Variant::Array("y".into(), vec![Variant::Byte(9)])).unwrap().1, bytes);
        // No element, and still the padding that one would need.
        let empty = [&head(24)[..], b"\x05a(st)\0", &[0; 3], &[0; 4]].concat();
        assert_eq!(sent(Variant::Array("(st)".into(), Vec::new())).unwrap().1[..empty.len() - 4], empty[..empty.len() - 4]);
        let pair = Variant::Struct(vec![Variant::Text("/d".into()), Variant::U64(1)]);
        assert!(sent(Variant::Array("(st)".into(), vec![pair.clone(), pair])).is_ok());
        assert!(sent(Variant::Double(1.5f64.to_bits())).unwrap().1.ends_with(&1.5f64.to_ne_bytes()));
    }

    #[test]
    fn what_cannot_be_sent_is_named() {
        for bad in [
            Variant::Text("a\0b".into()),
            Variant::Struct(Vec::new()),
            Variant::Array("nonsense".into(), Vec::new()),
            Variant::Array("ss".into(), Vec::new()),
            Variant::Array("s".into(), vec![Variant::Bool(true)]),
        ] {
            let error = sent(bad.clone()).unwrap_err();
            assert!(matches!(&error, UnitError::Property { name, .. } if name == "P"), "{bad:?}: {error}");
        }
    }
}
