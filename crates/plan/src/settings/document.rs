//! A TOML document as a flat list of dotted keys with the line and the value of each. Parent side, pure.

use std::path::PathBuf;
use std::time::Duration;

use toml::de::{DeTable, DeValue};

use crate::wasm::units::{self, Names};

/// What is wrong, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) line: Option<usize>,
    pub(super) key: Option<String>,
    pub(super) why: String,
}

/// One key that is no table of `sections`, or one of these that is no table.
pub(super) struct Entry<'a> {
    /// With the tables that it lies in, as `wasm.cache.max_size`.
    pub(super) key: String,
    /// Where its value begins, from 1.
    line: usize,
    value: DeValue<'a>,
}

/// All keys of `text`. Tables of other names than `sections` come as they are.
pub(super) fn entries<'a>(text: &'a str, sections: &[&str]) -> Result<Vec<Entry<'a>>, Problem> {
    let table = DeTable::parse(text).map_err(|error| Problem {
        line: error.span().map(|span| line(text, span.start)),
        key: None,
        why: error.message().to_owned(),
    })?;
    let mut entries = Vec::new();
    flatten(text, "", table.into_inner(), sections, &mut entries);
    Ok(entries)
}

fn flatten<'a>(text: &str, prefix: &str, table: DeTable<'a>, sections: &[&str], entries: &mut Vec<Entry<'a>>) {
    for (key, value) in table {
        let key = format!("{prefix}{}", key.get_ref());
        let line = line(text, value.span().start);
        match value.into_inner() {
            DeValue::Table(inner) if sections.contains(&key.as_str()) => {
                flatten(text, &format!("{key}."), inner, sections, entries);
            }
            value => entries.push(Entry { key, line, value }),
        }
    }
}

fn line(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

impl Entry<'_> {
    pub(super) fn problem(&self, why: String) -> Problem {
        Problem { line: Some(self.line), key: Some(self.key.clone()), why }
    }

    pub(super) fn boolean(&self) -> Result<bool, String> {
        self.value.as_bool().ok_or_else(|| self.not("true or false"))
    }

    pub(super) fn string(&self) -> Result<&str, String> {
        self.value.as_str().ok_or_else(|| self.not("a string"))
    }

    /// Bytes as a number, or as a string with a unit.
    pub(super) fn size(&self) -> Result<u64, String> {
        units::size(self.number_or_string("a size")?)
    }

    /// Seconds as a number, or a string with units.
    pub(super) fn duration(&self) -> Result<Duration, String> {
        units::duration(self.number_or_string("a duration")?)
    }

    pub(super) fn strings(&self) -> Result<Vec<&str>, String> {
        let list = self.value.as_array().ok_or_else(|| self.not("a list of strings"))?;
        list.iter().map(|entry| entry.get_ref().as_str().ok_or_else(|| self.not("a list of strings"))).collect()
    }

    pub(super) fn names(&self) -> Result<Names, String> {
        Names::read(self.strings()?.into_iter())
    }

    /// An absolute path.
    pub(super) fn path(&self) -> Result<PathBuf, String> {
        let text = self.string()?;
        crate::wasm::absolute(text).ok_or_else(|| format!("`{text}` is no absolute path without `..` and `:`"))
    }

    fn number_or_string(&self, what: &str) -> Result<&str, String> {
        let number = self.value.as_integer().filter(|number| number.radix() == 10).map(|number| number.as_str());
        number.or(self.value.as_str()).ok_or_else(|| self.not(what))
    }

    fn not(&self, what: &str) -> String {
        format!("has to be {what}")
    }
}
