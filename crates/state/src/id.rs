//! Which container ids are valid.

use crate::Error;

/// Longest id: the id is the name of a directory (`NAME_MAX`).
const LONGEST: usize = 255;

/// runc's rule: `[A-Za-z0-9_+.-]+`, and neither `.` nor `..`. So an id is always one plain path component.
pub fn check_id(id: &str) -> Result<(), Error> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_+.-".contains(&b);
    let plain = !id.is_empty() && id.len() <= LONGEST && id.bytes().all(allowed);
    if plain && id != "." && id != ".." {
        return Ok(());
    }
    Err(Error::InvalidId(id.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule() {
        for good in ["a", "0", "A_b+c.d-e", ".hidden", "-x", "...", &"x".repeat(255)] {
            assert!(check_id(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a b", "a~b", "é", "a\n", "a\0", &"x".repeat(256)] {
            assert!(check_id(bad).is_err(), "{bad}");
        }
    }
}
