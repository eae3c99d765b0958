//! The cache of compiled code, as this process and what it starts see it: a tmpfs of their own, so that neither other tests nor
//! the machine's own cache have a say.

use nix::mount::{MsFlags, mount};
use skiff_testbed::{Context, Error};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// A runtime that is not the machine's root gets `XDG_CACHE_HOME` so that it has the same place.
pub const ABOVE: &str = "/var/cache";
const HERE: &str = "/var/cache/skiff";
const ENTRIES: &str = "/var/cache/skiff/wasm";

/// One file of the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name: digest of the module, kind.
    pub name: String,
    /// What is in it.
    pub content: Vec<u8>,
}

/// Mounts the tmpfs. The process must be in a mount namespace of its own.
pub fn isolate() -> Result<(), Error> {
    fs::create_dir_all(ABOVE).context(|| format!("make {ABOVE}"))?;
    // As the runtime would.
    match fs::DirBuilder::new().mode(0o700).create(HERE) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(format!("make {HERE}: {error}").into()),
        _ => {}
    }
    mount(Some("none"), HERE, Some("tmpfs"), MsFlags::empty(), Some("mode=0700"))
        .context(|| format!("mount a tmpfs on {HERE}"))?;
    fs::DirBuilder::new().mode(0o700).create(ENTRIES).context(|| format!("make {ENTRIES}"))
}

/// Everything in the cache but the file of locks.
pub fn entries() -> Vec<Entry> {
    let files = fs::read_dir(ENTRIES).into_iter().flatten().flatten();
    let named = files.map(|file| (file.file_name().to_string_lossy().into_owned(), file.path()));
    named
        .filter(|(name, _)| name != "lock")
        .map(|(name, path)| Entry { name, content: fs::read(path).unwrap_or_default() })
        .collect()
}

/// Makes `wanted` all that is in the cache.
pub fn set(wanted: Option<&Entry>) -> Result<(), Error> {
    for entry in entries().iter().filter(|entry| Some(*entry) != wanted) {
        let path = Path::new(ENTRIES).join(&entry.name);
        fs::remove_file(&path).context(|| format!("remove {}", path.display()))?;
    }
    let Some(entry) = wanted.filter(|entry| !Path::new(ENTRIES).join(&entry.name).exists()) else { return Ok(()) };
    let path = Path::new(ENTRIES).join(&entry.name);
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o400).open(&path);
    let written = file.and_then(|mut file| file.write_all(&entry.content));
    written.context(|| format!("write {}", path.display()))
}

/// What a compilation may leave: the code as it always is, or a note that there is none; nothing half done, unless its writer was
/// killed.
pub fn problems(code: &Entry, killed: bool, may_be_noted: bool) -> Vec<String> {
    let wrong = |entry: &Entry| match entry.name.as_str() {
        name if name == code.name => (entry.content != code.content).then(|| format!("{name} is not what is always compiled")),
        name if name.starts_with(".new-") => (!killed).then(|| format!("{name} is left")),
        name if name.ends_with(".failed") => {
            let note = String::from_utf8_lossy(&entry.content);
            (!may_be_noted).then(|| format!("the module is blamed for what was the host's: {note}"))
        }
        name => Some(format!("{name} is new")),
    };
    entries().iter().filter_map(wrong).map(|what| format!("in the cache: {what}")).collect()
}
