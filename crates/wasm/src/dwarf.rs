//! Source lines, for a module that carries DWARF. Read after a trap only.

use addr2line::gimli::{Dwarf, EndianSlice, LittleEndian, SectionId};
use std::borrow::Cow;
use wasmparser::{Parser, Payload};

type Slice<'a> = EndianSlice<'a, LittleEndian>;

/// One source location; functions that the compiler inlined have their own.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) function: Option<String>,
    /// `FILE:LINE`.
    pub(crate) place: Option<String>,
}

/// The lines of an address, innermost first; none if the module does not know. `address` counts from the code section's contents.
pub(crate) fn lines(bytes: &[u8], address: u64) -> Vec<Line> {
    lookup(bytes, address).unwrap_or_default()
}

fn lookup(bytes: &[u8], address: u64) -> Option<Vec<Line>> {
    let section = |id: SectionId| Ok::<_, addr2line::gimli::Error>(Slice::new(custom(bytes, id.name()), LittleEndian));
    let dwarf = Dwarf::load(section).ok()?;
    let context = addr2line::Context::from_dwarf(dwarf).ok()?;
    let mut frames = context.find_frames(address).skip_all_loads().ok()?;
    let mut lines = Vec::new();
    while let Ok(Some(frame)) = frames.next() {
        let function = frame.function.and_then(|function| function.raw_name().map(Cow::into_owned).ok());
        let place = frame.location.and_then(|location| Some(format!("{}:{}", location.file?, location.line?)));
        lines.push(Line { function, place });
    }
    Some(lines)
}

/// The contents of a custom section, empty if there is none.
fn custom<'a>(bytes: &'a [u8], name: &str) -> &'a [u8] {
    let mut payloads = Parser::new(0).parse_all(bytes).map_while(Result::ok);
    let found = payloads.find_map(|payload| match payload {
        Payload::CustomSection(section) if section.name() == name => Some(section.data()),
        _ => None,
    });
    found.unwrap_or_default()
}
