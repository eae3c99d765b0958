//! The units and lists that annotations and skiff.toml have in common: sizes, durations, names. The errors say what is wrong with
//! the value; who reads it adds the place. Parent side, pure.

use std::fmt;
use std::time::Duration;

/// Bytes: digits, perhaps with `k`, `m` or `g` (powers of 1024) behind them.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let shift = match text.bytes().last().map(|last| last.to_ascii_lowercase()) {
        Some(b'k') => 10,
        Some(b'm') => 20,
        Some(b'g') => 30,
        _ => 0,
    };
    let digits = if shift == 0 { text } else { &text[..text.len() - 1] };
    let bytes = whole(digits).and_then(|number| number.checked_mul(1 << shift)).filter(|bytes| *bytes > 0);
    bytes.ok_or_else(|| format!("`{text}` is no size: bytes above 0, or a number with k, m or g"))
}

/// As [`size`] reads it, with the largest unit that is exact.
pub(crate) fn size_text(bytes: u64) -> String {
    let unit = [(30, "g"), (20, "m"), (10, "k")].into_iter().find(|(shift, _)| bytes != 0 && bytes.trailing_zeros() >= *shift);
    unit.map_or_else(|| bytes.to_string(), |(shift, unit)| format!("{}{unit}", bytes >> shift))
}

/// Digits and nothing else: no sign, no blank.
pub(crate) fn whole(digits: &str) -> Option<u64> {
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

/// A duration above zero: whole seconds, or as Go writes it (`90s`, `1m30s`, `1.5h`, `200ms`).
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let found = whole(text).map(Duration::from_secs).or_else(|| go_duration(text)).filter(|found| !found.is_zero());
    found.ok_or_else(|| format!("`{text}` is no duration: seconds above 0, or as in 90s, 1m30s, 200ms"))
}

fn go_duration(text: &str) -> Option<Duration> {
    let mut nanoseconds: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit() && c != '.')?);
        let (unit, after) = after.split_at(after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len()));
        nanoseconds = nanoseconds.checked_add(part(number, unit)?)?;
        rest = after;
    }
    Some(Duration::from_nanos(nanoseconds))
}

/// One number and its unit, in nanoseconds; what is less than one is cut, as Go does.
fn part(number: &str, unit: &str) -> Option<u64> {
    let unit: u64 = match unit {
        "ns" => 1,
        "us" | "µs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    let (integer, fraction) = number.split_once('.').map_or((number, "0"), |(integer, fraction)| (integer, fraction));
    let scale = 10u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let below = u128::from(whole(fraction)?) * u128::from(unit) / scale;
    whole(integer)?.checked_mul(unit)?.checked_add(u64::try_from(below).ok()?)
}

/// Names that are allowed or asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Names {
    /// Each of them (`*`).
    All,
    /// These.
    Only(Vec<String>),
}

impl Names {
    /// A list of names, or `*` alone.
    pub(crate) fn read<'a>(list: impl Iterator<Item = &'a str>) -> Result<Names, String> {
        let list: Vec<&str> = list.collect();
        if list == ["*"] {
            return Ok(Names::All);
        }
        names(&list).map(Names::Only)
    }

    /// The first of `asked` that is not among these; `*` where everything is asked for.
    pub(crate) fn lacks<'a>(&self, asked: &'a Names) -> Option<&'a str> {
        match (self, asked) {
            (Names::All, _) => None,
            (Names::Only(_), Names::All) => Some("*"),
            (Names::Only(known), Names::Only(asked)) => asked.iter().find(|name| !known.contains(name)).map(String::as_str),
        }
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Names::All => f.write_str("*"),
            Names::Only(names) if names.is_empty() => f.write_str("none"),
            Names::Only(names) => f.write_str(&names.join(",")),
        }
    }
}

/// Names as variables and plugins have them, each once.
pub(crate) fn names(list: &[&str]) -> Result<Vec<String>, String> {
    for (index, name) in list.iter().enumerate() {
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte)) {
            return Err(format!("`{name}` is no name: letters, digits, `_`, `-` and `.`"));
        }
        if list[..index].contains(name) {
            return Err(format!("`{name}` is there twice"));
        }
    }
    Ok(list.iter().map(|name| (*name).to_owned()).collect())
}

/// The entries of a list with commas; an empty text is an empty list.
pub(crate) fn comma_list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').filter(move |_| !text.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes, back) in [
            ("1", 1, "1"),
            ("65536", 65536, "64k"),
            ("64k", 65536, "64k"),
            ("64K", 65536, "64k"),
            ("1536k", 1_572_864, "1536k"),
            ("256m", 268_435_456, "256m"),
            ("4G", 4_294_967_296, "4g"),
            ("18446744073709551615", u64::MAX, "18446744073709551615"),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
            assert_eq!(size_text(bytes), back);
        }
        for text in
            ["", "0", "0k", "k", "-1", "+1", " 1", "1 k", "1.5g", "1mb", "1t", "0x10", "18446744073709551616", "17179869184g"]
        {
            assert_eq!(size(text), Err(format!("`{text}` is no size: bytes above 0, or a number with k, m or g")));
        }
    }

    #[test]
    fn durations() {
        for (text, milliseconds) in [
            ("1", 1_000),
            ("90", 90_000),
            ("90s", 90_000),
            ("1m30s", 90_000),
            ("1h", 3_600_000),
            ("1.5h", 5_400_000),
            ("1h0m0.5s", 3_600_500),
            ("200ms", 200),
            ("1000000ns", 1),
            ("1000us", 1),
            ("1000µs", 1),
            ("0.001s", 1),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in [
            "",
            "0",
            "0s",
            "-1",
            "-1s",
            "+1s",
            "1x",
            "s",
            "1 s",
            ".s",
            "1.",
            "1.5",
            "1..5s",
            "1.5.5s",
            "1m30",
            "1d",
            "9999999999h",
        ] {
            assert_eq!(duration(text), Err(format!("`{text}` is no duration: seconds above 0, or as in 90s, 1m30s, 200ms")));
        }
    }

    #[test]
    fn names_and_lists() {
        let read = |text| Names::read(comma_list(text)).map(|names| names.to_string());
        assert_eq!(read(""), Ok("none".to_owned()));
        assert_eq!(read("*"), Ok("*".to_owned()));
        assert_eq!(read("PATH,http_proxy,a.b"), Ok("PATH,http_proxy,a.b".to_owned()));
        for (text, error) in [
            ("A,*", "`*` is no name: letters, digits, `_`, `-` and `.`"),
            ("LC_*", "`LC_*` is no name: letters, digits, `_`, `-` and `.`"),
            ("A, B", "` B` is no name: letters, digits, `_`, `-` and `.`"),
            ("A,", "`` is no name: letters, digits, `_`, `-` and `.`"),
            ("A=1", "`A=1` is no name: letters, digits, `_`, `-` and `.`"),
            ("a/b", "`a/b` is no name: letters, digits, `_`, `-` and `.`"),
            ("A,B,A", "`A` is there twice"),
        ] {
            assert_eq!(read(text), Err(error.to_owned()));
        }
    }

    #[test]
    fn what_a_list_lacks() {
        let only = |names: &[&str]| Names::Only(names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(Names::All.lacks(&Names::All), None);
        assert_eq!(Names::All.lacks(&only(&["A"])), None);
        assert_eq!(only(&["A"]).lacks(&Names::All), Some("*"));
        assert_eq!(only(&["A", "B"]).lacks(&only(&["B"])), None);
        assert_eq!(only(&["A"]).lacks(&only(&["A", "C", "D"])), Some("C"));
        assert_eq!(only(&[]).lacks(&only(&[])), None);
    }
}
