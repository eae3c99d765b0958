//! Skipped tests are said aloud and counted: libtest knows only `ignored`, which is decided at compile time.

use std::fs::OpenOptions;
use std::io::Write;

/// Prints `skipped: NAME: REASON`, past libtest's capture, and appends it to the file that `SKIFF_SKIP_LOG` names.
pub fn skipped(name: &str, reason: &str) {
    let line = format!("skipped: {name}: {reason}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
    if let Some(path) = std::env::var_os("SKIFF_SKIP_LOG") {
        let mut log = OpenOptions::new().append(true).create(true).open(path).expect("open SKIFF_SKIP_LOG");
        log.write_all(line.as_bytes()).expect("write SKIFF_SKIP_LOG");
    }
}
