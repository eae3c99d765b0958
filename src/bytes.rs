//! Sizes as docker and runc take them: a number with a suffix of 1024's powers, or -1.

/// Bytes; -1 is "no limit". Suffixes `b`, `k`, `m`, `g`, `t`, `p`, each perhaps followed by `b` or `ib`, in any case; a fraction
/// is cut off (github.com/docker/go-units, RAMInBytes).
///
/// # Errors
/// Neither of these, or more than an i64 holds.
pub(crate) fn parse(text: &str) -> Result<i64, String> {
    if text == "-1" {
        return Ok(-1);
    }
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (digits, suffix) = text.split_at(end);
    let unit = unit(&suffix.trim_start().to_ascii_lowercase()).ok_or_else(|| format!("unknown unit in {text:?}"))?;
    let size = match digits.parse::<u64>() {
        Ok(whole) => whole.checked_mul(unit).and_then(|bytes| i64::try_from(bytes).ok()),
        Err(_) => fraction(digits, unit),
    };
    size.ok_or_else(|| format!("{text:?} is not a size"))
}

fn unit(suffix: &str) -> Option<u64> {
    let letter = suffix.strip_suffix("ib").or_else(|| suffix.strip_suffix('b')).unwrap_or(suffix);
    let power = ["", "k", "m", "g", "t", "p"].iter().position(|known| *known == letter)?;
    let whole = letter.is_empty() && suffix == "ib";
    (!whole).then(|| 1 << (10 * power))
}

fn fraction(digits: &str, unit: u64) -> Option<i64> {
    let bytes = digits.parse::<f64>().ok()? * unit as f64;
    // 2^63 is the first number that is too large, and a float.
    (bytes < i64::MAX as f64).then_some(bytes as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_docker_reads_them() {
        for (text, bytes) in [
            ("0", 0),
            ("-1", -1),
            ("512", 512),
            ("512b", 512),
            ("32k", 32 << 10),
            ("32KiB", 32 << 10),
            ("512m", 512 << 20),
            ("512MB", 512 << 20),
            ("1.5g", 3 << 29),
            ("2 gb", 2 << 30),
            ("1t", 1 << 40),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
        for text in ["", "x", "-2", "1x", "m", "1ib", "1.2.3m", "9223372036854775808", "99999999p", "0x10"] {
            assert!(parse(text).is_err(), "{text:?}: {:?}", parse(text));
        }
    }
}
