//! Values of D-Bus from their text form (GLib, "GVariant Text Format"), as far as properties of units need it: booleans,
//! numbers, strings, arrays and tuples, each perhaps with its type before it (`uint64 5`, `@as []`). Parent side, pure.
//!
//! Two passes: the text becomes a tree, and the tree finds its types, since `[1, uint64 2]` says only later what it holds.

mod build;
mod parse;
#[cfg(test)]
mod tests;
mod types;

use crate::Variant;

/// D-Bus allows no deeper nesting of one kind.
const DEEPEST: usize = 32;

/// What the text says before its types are known.
#[derive(Debug)]
enum Node {
    /// As it was written.
    Number(String),
    Bool(bool),
    Text(String),
    Array(Vec<Node>),
    Tuple(Vec<Node>),
    /// With a type before it.
    Typed(types::Type, Box<Node>),
}

/// The value that `text` stands for.
///
/// # Errors
/// What is wrong with it, for people.
pub(super) fn parse(text: &str) -> Result<Variant, String> {
    let node = parse::parse(text)?;
    let found = build::infer(&node)?;
    build::build(&node, &found)
}
