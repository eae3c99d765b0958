//! Signals as callers write them.

use nix::sys::signal::Signal;

/// Greatest signal number of Linux.
const GREATEST: i32 = 64;

/// `9`, `KILL`, `SIGKILL`, `RTMIN+3`, `SIGRTMAX-1`, in any case. 0 only asks whether the process is there.
pub(crate) fn parse(text: &str) -> anyhow::Result<i32> {
    number(text).ok_or_else(|| anyhow::anyhow!("unknown signal {text:?}"))
}

fn number(text: &str) -> Option<i32> {
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().ok().filter(|number| *number <= GREATEST);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let realtime = name.strip_prefix("RTMIN").map(|rest| (libc::SIGRTMIN(), rest));
    match realtime.or_else(|| name.strip_prefix("RTMAX").map(|rest| (libc::SIGRTMAX(), rest))) {
        Some((base, rest)) => offset(rest).map(|by| base + by).filter(|n| (libc::SIGRTMIN()..=libc::SIGRTMAX()).contains(n)),
        None => standard(name),
    }
}

/// The part after `RTMIN` or `RTMAX`: nothing, `+N` or `-N`.
fn offset(rest: &str) -> Option<i32> {
    match rest.as_bytes() {
        [] => Some(0),
        [b'+' | b'-', b'0'..=b'9', ..] => rest.parse().ok().filter(|by: &i32| by.abs() <= GREATEST),
        _ => None,
    }
}

fn standard(name: &str) -> Option<i32> {
    match name {
        "IOT" => Some(libc::SIGABRT),
        "CLD" => Some(libc::SIGCHLD),
        "POLL" => Some(libc::SIGIO),
        _ => Signal::iterator().find(|signal| signal.as_str().strip_prefix("SIG") == Some(name)).map(|signal| signal as i32),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn as_callers_write_them() {
        let cases = [
            ("9", 9),
            ("KILL", 9),
            ("SIGKILL", 9),
            ("sigkill", 9),
            ("kIlL", 9),
            ("TERM", 15),
            ("winch", 28),
            ("0", 0),
            ("28", 28),
            ("64", 64),
            ("RTMIN", 34),
            ("SIGRTMIN+3", 37),
            ("rtmax-1", 63),
            ("RTMAX", 64),
            ("CLD", 17),
            ("POLL", 29),
        ];
        for (text, number) in cases {
            assert_eq!(parse(text).unwrap(), number, "{text}");
        }
    }

    #[test]
    fn what_is_none() {
        for text in ["65", "-1", "+9", "", "SIG", "NOPE", "RTMIN+31", "RTMAX+1", "RTMIN-1", "RTMIN++1", "99999999999"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse("NOPE").unwrap_err().to_string(), "unknown signal \"NOPE\"");
    }
}
