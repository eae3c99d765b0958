//! Finding the files of settings, and whether they can be trusted. Parent side.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::Settings;
use super::parse::parse;
use crate::Error;

/// As [`Settings::load`], from wherever the files are.
pub(super) fn load(system: &Path, user: Option<&Path>) -> Result<Settings, Error> {
    let settings = match read(system, is_roots)? {
        Some(text) => parse(system, &text, None)?,
        None => Settings::default(),
    };
    let Some(path) = user else { return Ok(settings) };
    match read(path, |uid| uid == nix::unistd::geteuid().as_raw() || is_roots(uid)) {
        Ok(Some(text)) => parse(path, &text, Some(&settings)),
        Ok(None) => Ok(settings),
        // HOME may still be that of the user before su(1).
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::PermissionDenied => Ok(settings),
        Err(error) => Err(error),
    }
}

/// The text of a file, if there is one, that nobody but its owner can write.
fn read(path: &Path, owner: impl Fn(u32) -> bool) -> Result<Option<String>, Error> {
    let mut file = match open(path) {
        Ok(file) => file,
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Error::Io { act: "open", path: path.to_owned(), source }),
    };
    let failed = |source| Error::Io { act: "read", path: path.to_owned(), source };
    let status = file.metadata().map_err(failed)?;
    let untrusted = if !status.is_file() {
        Some("is not a regular file".to_owned())
    } else if !owner(status.uid()) {
        Some(format!("belongs to user {}, who has no say here", status.uid()))
    } else if status.mode() & 0o022 != 0 {
        Some(format!("can be written by others than its owner: mode {:03o}", status.mode() & 0o7777))
    } else {
        None
    };
    if let Some(why) = untrusted {
        return Err(Error::Settings { path: path.to_owned(), line: None, key: None, why });
    }
    let mut text = Vec::new();
    file.read_to_end(&mut text).map_err(failed)?;
    let utf8 = |_| Error::Settings { path: path.to_owned(), line: None, key: None, why: "is not UTF-8".to_owned() };
    String::from_utf8(text).map(Some).map_err(utf8)
}

/// A FIFO in the file's place must not hold us up.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)
}

/// The host's root; in a user namespace it shows as the id of everybody who is not mapped, user_namespaces(7).
#[must_use]
pub fn is_roots(uid: u32) -> bool {
    let number = |path: &str| std::fs::read_to_string(path).ok()?.trim().parse().ok();
    let maps_everybody = || {
        let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        map.split_whitespace().eq(["0", "0", "4294967295"])
    };
    uid == 0 || (number("/proc/sys/kernel/overflowuid") == Some(uid) && !maps_everybody())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::wasm::Profile;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::PathBuf;

    /// A directory of this test's own, gone when it is dropped.
    struct Room(PathBuf);

    impl Room {
        fn new(name: &str) -> Room {
            let path = std::env::temp_dir().join(format!("skiff-settings-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Room(path)
        }

        fn file(&self, name: &str, text: &[u8], mode: u32) -> PathBuf {
            let path = self.0.join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            path
        }
    }

    impl Drop for Room {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn text(result: Result<Settings, Error>) -> String {
        result.map_or_else(|error| error.to_string(), |settings| format!("{settings:?}"))
    }

    /// Only root makes files of root; the owner rule then has to be met by the ordinary user's file.
    fn own(path: &Path, uid: u32) -> bool {
        nix::unistd::chown(path, Some(uid.into()), None).is_ok()
    }

    #[test]
    fn missing_files_change_nothing() {
        let room = Room::new("missing");
        let gone = room.0.join("none/skiff.toml");
        assert_eq!(load(&gone, None).unwrap(), Settings::default());
        assert_eq!(load(&gone, Some(&gone)).unwrap(), Settings::default());
    }

    #[test]
    fn the_users_file_is_read_after_the_administrators() {
        let room = Room::new("both");
        let system = room.file("system", b"[wasm]\nsniff = true\ncompile = 'off'\n", 0o644);
        let user = room.file("user", b"[wasm]\nprofile = 'deny'\n", 0o600);
        if !own(&system, 0) {
            eprintln!("skipped: not root, so no file of root's can be made");
            return;
        }
        let found = load(&system, Some(&user)).unwrap();
        assert_eq!((found.sniff, found.compile.to_string().as_str(), found.profile), (true, "off", Profile::Deny));
        assert_eq!(load(&system, None).unwrap().profile, Profile::Crun);
    }

    #[test]
    fn who_may_have_written_it() {
        let room = Room::new("trust");
        let place = |path: &Path, why: &str| format!("{}: {why}", path.display());
        for mode in [0o664, 0o646, 0o666] {
            let path = room.file("loose", b"", mode);
            own(&path, 0);
            let why = format!("can be written by others than its owner: mode {mode:03o}");
            assert_eq!(text(load(Path::new("/none"), Some(&path))), place(&path, &why));
        }
        let path = room.file("nobodys", b"", 0o644);
        if own(&path, 4242) {
            let why = place(&path, "belongs to user 4242, who has no say here");
            assert_eq!(text(load(&path, None)), why);
            assert_eq!(text(load(Path::new("/none"), Some(&path))), why);
        } else {
            eprintln!("skipped: not root, so no other user's file can be made");
        }
    }

    #[test]
    fn what_is_no_file_or_no_text() {
        let room = Room::new("kind");
        let fifo = room.0.join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRUSR).unwrap();
        for path in [room.0.clone(), fifo] {
            assert_eq!(text(load(&path, None)), format!("{}: is not a regular file", path.display()));
        }
        let binary = room.file("binary", b"[wasm]\n\xff", 0o644);
        assert_eq!(text(load(Path::new("/none"), Some(&binary))), format!("{}: is not UTF-8", binary.display()));
        let below = binary.join("skiff.toml");
        assert_eq!(text(load(&below, None)), format!("open {}: not a directory", below.display()));
    }

    /// Some distributions keep /etc as links into a store.
    #[test]
    fn a_link_to_a_file_is_followed() {
        let room = Room::new("link");
        let file = room.file("file", b"[wasm]\nprofile = 'deny'\n", 0o444);
        let link = room.0.join("link");
        symlink(&file, &link).unwrap();
        assert_eq!(load(Path::new("/none"), Some(&link)).unwrap().profile, Profile::Deny);
    }
}
