//! A call that must be refused: with exit code 1, with one clear line, in each form of the log, and without a trace.

use std::fs;

use serde_json::Value;

use super::{Test, is_skiff};

/// `create` and `run` of the test's bundle must be refused, with each of `words` in the message.
#[track_caller]
pub fn refused(t: &Test, words: &[&str]) {
    for verb in ["create", "run"] {
        refused_call(t, &[verb, &t.id], words);
    }
}

/// The call must be refused, without a log file, with one, and with one in JSON. Other runtimes need only fail.
#[track_caller]
pub fn refused_call(t: &Test, args: &[&str], words: &[&str]) {
    if !is_skiff() {
        assert_ne!(t.call(args).code, 0, "accepted: {args:?}");
        return t.assert_nothing_left();
    }
    let record = t.call(args).fails_with(words).stderr.clone();
    t.assert_nothing_left();
    let form = record.starts_with("time=\"") && record.contains(" level=error msg=");
    assert!(form, "not the form of a log record: {record}");

    let log = t.dir().join("log");
    let log_path = log.to_str().expect("utf-8");
    let bare = t.call(&[&["--log", log_path], args].concat()).fails_with(words).stderr.clone();
    assert!(!bare.contains("level=error"), "the record and not the message: {bare}");
    assert_eq!(without_time(&fs::read_to_string(&log).expect("read the log")), without_time(&record));
    t.assert_nothing_left();

    fs::remove_file(&log).expect("remove the log");
    let out = t.call(&[&["--log", log_path, "--log-format", "json"], args].concat());
    assert_eq!(out.fails_with(words).stderr, bare);
    let text = fs::read_to_string(&log).expect("read the log");
    let record: Value = serde_json::from_str(&text).expect("the log is one JSON record");
    assert_eq!((record["level"].as_str(), record["msg"].as_str()), (Some("error"), Some(bare.trim_end())), "{text}");
    assert!(record["time"].as_str().is_some_and(|time| time.ends_with('Z')), "{text}");
    fs::remove_file(&log).expect("remove the log");
    t.assert_nothing_left();
}

fn without_time(record: &str) -> &str {
    record.split_once(" level=").map_or(record, |(_, rest)| rest)
}
