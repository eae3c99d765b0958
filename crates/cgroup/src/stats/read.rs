//! Reading the formats of cgroup files. Of one that is not there nothing is said: its controller is absent or the
//! kernel too old for it.

use crate::Error;
use crate::files::{Dir, gone};
use nix::errno::Errno;
use std::collections::BTreeMap;

/// The files of one controller; of one that this host does not have, none.
#[derive(Clone, Copy)]
pub(super) struct Files<'d>(pub(super) Option<&'d Dir>);

impl Files<'_> {
    /// The whole file.
    pub(super) fn text(self, file: &str) -> Result<Option<String>, Error> {
        let Some(dir) = self.0 else { return Ok(None) };
        match dir.read(file) {
            Ok(text) => Ok(Some(text)),
            // Not supported: pressure that nobody accounts (psi=0, or 0 in cgroup.pressure).
            Err(errno) if gone(errno) || errno == Errno::EOPNOTSUPP => Ok(None),
            Err(errno) => Err(dir.read_error(file, errno)),
        }
    }

    /// A file of one number.
    pub(super) fn number(self, file: &str) -> Result<Option<u64>, Error> {
        let parse = |text: String| number(text.trim()).ok_or_else(|| self.malformed(file));
        self.text(file)?.map(parse).transpose()
    }

    /// The same, 0 where it is absent.
    pub(super) fn value(self, file: &str) -> Result<u64, Error> {
        Ok(self.number(file)?.unwrap_or(0))
    }

    /// A file of `key number` lines.
    pub(super) fn table(self, file: &str) -> Result<Table, Error> {
        Ok(table(&self.text(file)?.unwrap_or_default()))
    }

    /// A list as `0-3,8`.
    pub(super) fn ranges(self, file: &str) -> Result<Vec<u16>, Error> {
        let text = self.text(file)?.unwrap_or_default();
        ranges(text.trim()).ok_or_else(|| self.malformed(file))
    }

    pub(super) fn malformed(self, file: &str) -> Error {
        let path = self.0.map(|dir| dir.path().join(file)).unwrap_or_default();
        Error::path("parse", &path, Errno::EINVAL)
    }
}

/// What a file of `key number` lines holds.
pub(super) type Table = BTreeMap<String, u64>;

/// A line of another form is a newer kernel's, and no reason to tell nothing.
pub(super) fn table(text: &str) -> Table {
    let line = |line: &str| line.split_once(' ').and_then(|(key, value)| Some((key.to_owned(), number(value)?)));
    text.lines().filter_map(line).collect()
}

/// The number behind a key; 0 when there is none.
pub(super) fn of(table: &Table, key: &str) -> u64 {
    table.get(key).copied().unwrap_or(0)
}

/// `max` is the greatest that there is. Some counters of the kernel fall below zero for a moment.
pub(super) fn number(text: &str) -> Option<u64> {
    match text {
        "max" => Some(u64::MAX),
        _ => text.parse().ok().or_else(|| text.parse::<i64>().ok().map(|_| 0)),
    }
}

/// `8:16`, the numbers of a device.
pub(super) fn device(text: &str) -> Option<(u64, u64)> {
    let (major, minor) = text.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn ranges(text: &str) -> Option<Vec<u16>> {
    let mut all = Vec::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        all.extend(first.parse::<u16>().ok()?..=last.parse().ok()?);
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(number("12"), Some(12));
        assert_eq!(number("max"), Some(u64::MAX));
        assert_eq!(number("-4096"), Some(0));
        assert_eq!(number("18446744073709551615"), Some(u64::MAX));
        assert_eq!((number(""), number("x")), (None, None));
    }

    #[test]
    fn lines_of_another_form_are_left_out() {
        let table = table("user 3\nsystem -1\nnested a=1\n\nodd\n");
        assert_eq!((of(&table, "user"), of(&table, "system"), of(&table, "nested"), table.len()), (3, 0, 0, 2));
    }

    #[test]
    fn lists() {
        assert_eq!(ranges("0-2,5"), Some(vec![0, 1, 2, 5]));
        assert_eq!(ranges(""), Some(vec![]));
        assert_eq!((ranges("a"), ranges("1-"), ranges("65536")), (None, None, None));
        assert_eq!((device("8:16"), device("8"), device("Total")), (Some((8, 16)), None, None));
    }
}
