//! The pid file: digits and nothing else (clients read it with a bare number parser), complete or not there. Parent side.

use crate::Error;
use crate::error::Act;
use std::fs::{OpenOptions, rename};
use std::io::{ErrorKind, Write};
use std::path::Path;

/// Writes `pid` beside `path` and renames it there.
pub(crate) fn write(path: &Path, pid: u32) -> Result<(), Error> {
    let act = || format!("write --pid-file {}", path.display());
    let name = path.file_name().ok_or(nix::errno::Errno::EISDIR).act(act)?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    let temporary = path.with_file_name(hidden);
    let written = write_and_rename(&temporary, path, pid);
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    written.act(act)
}

fn write_and_rename(temporary: &Path, path: &Path, pid: u32) -> std::io::Result<()> {
    let create = || OpenOptions::new().write(true).create_new(true).open(temporary);
    let mut file = match create() {
        // A create that was killed has left it.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => std::fs::remove_file(temporary).and_then(|()| create())?,
        other => other?,
    };
    file.write_all(pid.to_string().as_bytes())?;
    rename(temporary, path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    #[test]
    fn holds_digits_and_replaces_an_old_file() {
        let path = std::env::temp_dir().join(format!("skiff-pid-file-{}", std::process::id()));
        std::fs::write(&path, "old content").unwrap();
        std::fs::write(path.with_file_name(format!(".{}", path.file_name().unwrap().to_str().unwrap())), "left").unwrap();
        super::write(&path, 4711).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"4711");
        std::fs::remove_file(path).unwrap();
    }
}
