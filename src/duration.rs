//! Spans of time in the words of Go's `time.ParseDuration`, as clients write them.

/// Units by their nanoseconds; of two that begin alike the longer comes first.
const UNITS: [(&str, i64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000), // U+00B5, the micro sign
    ("μs", 1_000), // U+03BC, the Greek letter
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Nanoseconds of `1m30s`, `500ms`, `-1.5h` or `0`.
///
/// # Errors
/// Anything else, a number without its unit, more than 292 years.
pub(crate) fn parse(text: &str) -> Result<i64, String> {
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if unsigned == "0" {
        return Ok(0);
    }
    let mut rest = unsigned;
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let (part, after) = term(rest).ok_or_else(wanted)?;
        total = total.checked_add(part).ok_or_else(wanted)?;
        rest = after;
    }
    if unsigned.is_empty() { Err(wanted()) } else { Ok(sign * total) }
}

fn wanted() -> String {
    "not a duration as 5s, 1m30s or 500ms".into()
}

/// The first number with its unit, and what follows.
fn term(text: &str) -> Option<(i64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, rest) = text.split_at(end);
    let (unit, rest) = UNITS.iter().find_map(|(name, unit)| Some((*unit, rest.strip_prefix(name)?)))?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    Some((whole.checked_mul(unit)?.checked_add(part(fraction, unit)?)?, rest))
}

/// The part of a unit behind the point. What is less than a nanosecond does not count.
fn part(fraction: &str, unit: i64) -> Option<i64> {
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // An hour has thirteen digits of nanoseconds.
    let digits: String = fraction.chars().take(18).collect();
    let numerator: i128 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    i64::try_from(numerator * i128::from(unit) / 10_i128.pow(digits.len() as u32)).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn as_go_reads_them() {
        for (text, nanoseconds) in [
            ("5s", 5_000_000_000),
            ("1m30s", 90_000_000_000),
            ("500ms", 500_000_000),
            ("1h1m1s1ms1us1ns", 3_661_001_001_001),
            ("2µs", 2_000),
            ("2μs", 2_000),
            ("1.5h", 5_400_000_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("0.1234567894s", 123_456_789),
            ("0.3333333333333333333h", 1_200_000_000_000 - 1),
            ("0", 0),
            ("+0", 0),
            ("0s", 0),
            ("-1s", -1_000_000_000),
            ("+1s", 1_000_000_000),
            ("2562047h47m16.854775807s", i64::MAX),
        ] {
            assert_eq!(parse(text), Ok(nanoseconds), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration() {
        for text in [
            "",
            "-",
            "5",
            "x",
            "s",
            ".s",
            "1x",
            "1 s",
            "1s ",
            "1s-1s",
            "1.2.3s",
            "1sx",
            "1hs",
            "3000000h",
            "99999999999999999999s",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
