//! The log, in the form of Go's logrus that every client reads. One failing call makes exactly one error record:
//! podman parses the whole JSON file as one record, containerd takes the last one.

use crate::cli::{Global, Level, LogFormat};
use crate::error::reason;
use serde::Serialize;
use skiff_state::now_rfc3339;
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Where messages go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Log {
    file: Option<PathBuf>,
    format: LogFormat,
    level: Level,
}

/// The keys in logrus' order.
#[derive(Serialize)]
struct JsonRecord<'a> {
    level: &'a str,
    msg: &'a str,
    time: &'a str,
}

impl Log {
    /// The log that the command line asks for.
    pub(crate) fn new(global: &Global) -> Log {
        Log { file: global.log.clone(), format: global.log_format, level: global.level() }
    }

    /// The log of a command line that does not parse, or is not parsed yet.
    pub(crate) fn guess(words: &[OsString]) -> Log {
        let words = words.split(|word| word == "--").next().unwrap_or_default();
        let json = option(words, "--log-format").is_some_and(|format| format == "json");
        let format = if json { LogFormat::Json } else { LogFormat::Text };
        Log { file: option(words, "--log").map(PathBuf::from), format, level: Level::Error }
    }

    /// The one record of a failing call: to the log file, and the bare message to stderr; without a log file, the
    /// record to stderr.
    pub(crate) fn error(&self, message: &str) {
        let Some(file) = &self.file else {
            return stderr(&record(LogFormat::Text, "error", message, &now_rfc3339()));
        };
        match append(file, &record(self.format, "error", message, &now_rfc3339())) {
            Ok(()) => stderr(&format!("{message}\n")),
            Err(error) => stderr(&format!("{message} (and open log {}: {})\n", file.display(), reason(&error))),
        }
    }

    /// A warning of a call that succeeded: only into a log file, and only when the caller wants to hear it.
    pub(crate) fn warning(&self, message: &str) {
        if let Some(file) = self.file.as_ref().filter(|_| self.level >= Level::Warning) {
            // The container is up: a log that cannot be written is no reason to fail now.
            let _ = append(file, &record(self.format, "warning", message, &now_rfc3339()));
        }
    }
}

/// The value of the last `NAME VALUE` or `NAME=VALUE`.
fn option(words: &[OsString], name: &str) -> Option<String> {
    let mut found = None;
    let mut words = words.iter().filter_map(|word| word.to_str());
    while let Some(word) = words.next() {
        match word.strip_prefix(name) {
            Some("") => found = words.next().map(str::to_owned),
            Some(rest) if rest.starts_with('=') => found = Some(rest[1..].to_owned()),
            _ => {}
        }
    }
    found
}

/// One write(2), so that records of two processes never mix.
fn append(file: &Path, record: &str) -> io::Result<()> {
    let mut file = std::fs::OpenOptions::new().append(true).create(true).mode(0o644).open(file)?;
    file.write_all(record.as_bytes())
}

fn stderr(text: &str) {
    // Nobody is left to tell when stderr is closed.
    let _ = io::stderr().write_all(text.as_bytes());
}

fn record(format: LogFormat, level: &str, message: &str, time: &str) -> String {
    match format {
        LogFormat::Text => format!("time={} level={level} msg={}\n", quoted(time), quoted(message)),
        LogFormat::Json => {
            // Three strings: encoding them cannot fail.
            let record = serde_json::to_string(&JsonRecord { level, msg: message, time }).unwrap_or_default();
            record + "\n"
        }
    }
}

/// A value as logrus' text form has it: bare when it is one plain word, else as Go's `%q`.
fn quoted(value: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._/@^+".contains(&b);
    if value.bytes().all(plain) {
        return value.to_owned();
    }
    let mut text = String::with_capacity(value.len() + 2);
    text.push('"');
    value.chars().for_each(|c| push_quoted(&mut text, c));
    text.push('"');
    text
}

fn push_quoted(text: &mut String, c: char) {
    match c {
        '"' | '\\' => text.extend(['\\', c]),
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        '\t' => text.push_str("\\t"),
        '\x07' => text.push_str("\\a"),
        '\x08' => text.push_str("\\b"),
        '\x0b' => text.push_str("\\v"),
        '\x0c' => text.push_str("\\f"),
        c if c.is_ascii_control() => text.push_str(&format!("\\x{:02x}", u32::from(c))),
        c if c.is_control() => text.push_str(&format!("\\u{:04x}", u32::from(c))),
        c => text.push(c),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn text_as_logrus() {
        let golden = include_str!("../tests/fixtures/runc/state-unknown.stderr").lines().next().unwrap();
        let ours = record(LogFormat::Text, "error", skiff_state::NOT_EXIST, "2026-11-20T09:56:44Z");
        assert_eq!(ours.trim_end(), golden);
    }

    #[test]
    fn json_as_logrus() {
        let golden = include_str!("../tests/fixtures/runc/exec-enoent.log.json");
        let message =
            "exec failed: unable to start container process: exec: \"/no/such\": stat /no/such: no such file or directory";
        assert_eq!(record(LogFormat::Json, "error", message, "2026-11-20T09:56:44Z"), golden);
    }

    #[test]
    fn quoting_as_go() {
        assert_eq!(quoted("EOF"), "EOF");
        assert_eq!(quoted("a/b_c.d-e@f^g+h"), "a/b_c.d-e@f^g+h");
        assert_eq!(quoted("a b"), "\"a b\"");
        assert_eq!(quoted("say \"x\"\\\n\t\0\u{7f}é"), "\"say \\\"x\\\"\\\\\\n\\t\\x00\\x7fé\"");
        assert_eq!(quoted("a=b"), "\"a=b\"");
    }

    #[test]
    fn guess_finds_the_log_in_a_broken_line() {
        let log = Log::guess(&words("skiff --root /r --log /l.json --log-format=json create --nope"));
        assert_eq!(log, Log { file: Some("/l.json".into()), format: LogFormat::Json, level: Level::Error });
        let log = Log::guess(&words("skiff --log-level debug --log=/a --log /b ps x -- --log /c"));
        assert_eq!(log.file.as_deref(), Some(Path::new("/b")));
        assert_eq!(log.format, LogFormat::Text);
        assert_eq!(Log::guess(&words("skiff state x")).file, None);
    }

    #[test]
    fn warnings_only_when_asked_for_and_errors_append() {
        let file = std::env::temp_dir().join(format!("skiff-log-{}", std::process::id()));
        let log = |level| Log { file: Some(file.clone()), format: LogFormat::Json, level };
        log(Level::Error).warning("not wanted");
        assert!(!file.exists());
        log(Level::Warning).warning("one");
        log(Level::Debug).warning("two");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        let levels = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["level"].clone());
        assert_eq!(levels.collect::<Vec<_>>(), ["warning", "warning"]);
    }
}
