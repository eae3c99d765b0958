//! Writing to stdout. A reader that went away is an error like any other, not a panic.

use anyhow::Context;
use serde::Serialize;
use std::io::{self, Write};

/// Writes `text` as it is.
pub(crate) fn text(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).context("write to standard output")
}

/// JSON as Go's `MarshalIndent` writes it, with `indent` for each level.
pub(crate) fn pretty(value: &impl Serialize, indent: &str) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(indent.as_bytes());
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, formatter)).context("encode JSON")?;
    String::from_utf8(bytes).context("encode JSON")
}
