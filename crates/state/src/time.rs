//! Time stamps as Go's RFC 3339 formats write them, without a date library on the create path.

use std::time::{SystemTime, UNIX_EPOCH};

/// Now, as `2026-11-20T09:56:44.473251349Z`.
pub fn now_rfc3339_nano() -> String {
    let (seconds, nanoseconds) = since_epoch();
    rfc3339_nano(seconds, nanoseconds)
}

/// Now, as `2026-11-20T09:56:44Z`.
pub fn now_rfc3339() -> String {
    rfc3339(since_epoch().0)
}

/// Whole seconds and the rest in nanoseconds since 1970; zero for a clock before that.
fn since_epoch() -> (u64, u32) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (now.as_secs(), now.subsec_nanos())
}

/// Go's `time.RFC3339Nano` in UTC: trailing zeros of the fraction are left out. `seconds` since 1970, `nanoseconds` below 10^9.
pub fn rfc3339_nano(seconds: u64, nanoseconds: u32) -> String {
    let mut text = rfc3339(seconds);
    if nanoseconds != 0 {
        text.pop();
        text.push_str(format!(".{nanoseconds:09}").trim_end_matches('0'));
        text.push('Z');
    }
    text
}

/// Go's `time.RFC3339` in UTC. `seconds` since 1970.
pub fn rfc3339(seconds: u64) -> String {
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month and day of a number of days since 1970, by Howard Hinnant's `civil_from_days`: years begin in March,
/// so that the leap day is their last.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_instants() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(rfc3339(1_709_251_199), "2024-02-29T23:59:59Z");
        assert_eq!(rfc3339(1_709_251_200), "2024-03-01T00:00:00Z");
        assert_eq!(rfc3339(4_102_444_799), "2099-12-31T23:59:59Z");
    }

    #[test]
    fn fraction_as_go_writes_it() {
        assert_eq!(rfc3339_nano(0, 473_251_349), "1970-01-01T00:00:00.473251349Z");
        assert_eq!(rfc3339_nano(0, 120_000_000), "1970-01-01T00:00:00.12Z");
        assert_eq!(rfc3339_nano(0, 1), "1970-01-01T00:00:00.000000001Z");
        assert_eq!(rfc3339_nano(0, 0), "1970-01-01T00:00:00Z");
    }
}
