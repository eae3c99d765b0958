//! How an error is worded, once, in one line.

use nix::errno::Errno;
use std::error::Error;
use std::io;

/// The chain of causes, joined by colons. A library's error may hold the text of its cause already: no text comes twice.
pub(crate) fn text(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(words) {
        if !text.contains(&cause) {
            text.push_str(if text.is_empty() { "" } else { ": " });
            text.push_str(&cause);
        }
    }
    text
}

fn words(cause: &(dyn Error + 'static)) -> String {
    cause.downcast_ref::<io::Error>().map_or_else(|| cause.to_string(), reason)
}

/// The kernel's answer in the words that clients match, without Rust's `(os error N)`.
pub(crate) fn reason(error: &io::Error) -> String {
    error.raw_os_error().map_or_else(|| error.to_string(), |number| skiff_sys::errno_text(Errno::from_raw(number)))
}

/// The first paragraph of the parser's message, in one line; what follows there is help for terminals.
pub(crate) fn usage(error: &clap::Error) -> anyhow::Error {
    let text = error.to_string();
    let paragraph = text.split("\n\n").next().unwrap_or(&text);
    let line = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    anyhow::anyhow!("incorrect usage: {}", line.trim_start_matches("error: "))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use anyhow::Context;
    use clap::Parser;

    #[test]
    fn no_text_comes_twice() {
        let io = || io::Error::from_raw_os_error(libc::EACCES);
        let plain = Err::<(), _>(io()).context("open /x").unwrap_err();
        assert_eq!(text(&plain), "open /x: permission denied");
        let doubled = Err::<(), _>(io()).context("open /x: permission denied").unwrap_err();
        assert_eq!(text(&doubled), "open /x: permission denied");
    }

    #[test]
    fn usage_is_one_line() {
        let message = |words: &[&str]| usage(&crate::cli::Cli::try_parse_from(words).unwrap_err()).to_string();
        let missing = message(&["skiff", "create"]);
        assert_eq!(missing, "incorrect usage: the following required arguments were not provided: <ID>");
        assert_eq!(message(&["skiff", "state", "--nope", "x"]), "incorrect usage: unexpected argument '--nope' found");
        assert_eq!(message(&["skiff", "restore"]), "incorrect usage: unrecognized subcommand 'restore'");
    }
}
