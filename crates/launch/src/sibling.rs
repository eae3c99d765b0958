//! The second binary, which lies beside the first: whether it can run, and going on as it. Parent side, before anything has
//! happened.

use crate::Error;
use crate::error::Act;
use crate::protect::{self, own_path, variable};
use skiff_sys::Args;
use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Tells the second binary which build calls it.
const BUILD: &str = "SKIFF_BUILD";

/// Executes another program of ours, which lies beside this one, with the same arguments, and as well protected. `None`: there is
/// no such program.
///
/// # Errors
/// It is there and cannot be executed, or its engine is missing or damaged.
pub fn become_sibling(name: &str, args: Args, build: &str) -> Result<Option<Infallible>, Error> {
    let path = own_path()?.with_file_name(name);
    let Ok(file) = File::open(&path) else { return Ok(None) };
    check_engine(&path, &file)?;
    let program = match protect::protected(&path)? {
        Some(protected) => protected,
        None => file.into(),
    };
    let more = [variable(protect::PATH, path.as_os_str()), variable(BUILD, OsStr::new(build))];
    protect::execute(&program, args, &more.each_ref()).act(|| format!("execute {}", path.display())).map(|()| None)
}

/// The build that executed this one by [`become_sibling`]: both must be of one source.
#[must_use]
pub fn sibling_build() -> Option<OsString> {
    std::env::var_os(BUILD)
}

/// A program that lacks a library ends in its loader's words, which reach no log: so what it needs is looked for before.
fn check_engine(program: &Path, file: &File) -> Result<(), Error> {
    let Some(loader) = interpreter(file) else { return Ok(()) };
    // PREFIX/lib/ld.so; the system's own loader stands for a system's engine, which has no list.
    let Some(prefix) = loader.parent().and_then(Path::parent) else { return Ok(()) };
    let damaged = |what: &Path| {
        let (program, prefix, what) = (program.display(), prefix.display(), what.display());
        Error::Status(format!(
            "{program}: its WebAssembly engine in {prefix} is missing or damaged ({what}): make it anew (docs/wasm.md)"
        ))
    };
    if !loader.exists() {
        return Err(damaged(&loader));
    }
    let list = std::fs::read_to_string(prefix.join("manifest")).unwrap_or_default();
    let needed =
        list.lines().filter_map(|line| line.split_once("  ./")).map(|(_, name)| name).filter(|name| name.starts_with("lib/"));
    let missing = needed.map(|name| prefix.join(name)).find(|file| !file.metadata().is_ok_and(|file| file.len() > 0));
    missing.map_or(Ok(()), |file| Err(damaged(&file)))
}

/// The `PT_INTERP` of an ELF program of this machine (elf(5)); `None`: it has none, or is something else.
fn interpreter(file: &File) -> Option<PathBuf> {
    const INTERP: u32 = 3;
    let mut header = [0; 64];
    file.read_exact_at(&mut header, 0).ok()?;
    let word = |bytes: &[u8], at: usize| bytes.get(at..at + 8).and_then(|word| word.try_into().ok()).map(u64::from_le_bytes);
    let half = |at: usize| header.get(at..at + 2).and_then(|half| half.try_into().ok()).map(u16::from_le_bytes);
    let (table, size, count) = (word(&header, 32)?, half(54)?, half(56)?);
    (0..u64::from(count)).find_map(|index| {
        let mut entry = [0; 56];
        file.read_exact_at(&mut entry, table + index * u64::from(size)).ok()?;
        let kind = entry.first_chunk().map(|kind| u32::from_le_bytes(*kind))?;
        let (offset, length) = (word(&entry, 8)?, usize::try_from(word(&entry, 32)?).ok()?);
        let mut name = vec![0; Some(length).filter(|length| kind == INTERP && *length < 4096)?];
        file.read_exact_at(&mut name, offset).ok()?;
        name.pop();
        Some(PathBuf::from(OsStr::from_bytes(&name)))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_loader_of_a_program() {
        let shell = File::open("/bin/ls").unwrap();
        let loader = interpreter(&shell).unwrap();
        assert!(loader.is_absolute() && loader.exists(), "{loader:?}");
        assert_eq!(interpreter(&File::open("/etc/passwd").unwrap()), None);
    }

    #[test]
    fn an_engine_that_is_damaged_is_told() {
        let prefix = std::env::temp_dir().join(format!("skiff-test-engine-{}", std::process::id()));
        std::fs::create_dir_all(prefix.join("lib")).unwrap();
        std::fs::write(prefix.join("manifest"), "00  ./lib/libengine.so\n11  ./compiler/other\n").unwrap();
        let loader = prefix.join("lib/ld.so");
        let program = prefix.join("program");
        // An ELF header with one program header, PT_INTERP, and the name behind it.
        let mut elf = vec![0; 120];
        elf[..4].copy_from_slice(b"\x7fELF");
        elf[32] = 64;
        elf[54] = 56;
        elf[56] = 1;
        elf[64] = 3;
        elf[72] = 120;
        elf[96] = u8::try_from(loader.as_os_str().len() + 1).unwrap();
        elf.extend(loader.as_os_str().as_bytes());
        elf.push(0);
        std::fs::write(&program, elf).unwrap();
        let check = || check_engine(&program, &File::open(&program).unwrap()).map_err(|error| error.to_string());
        assert!(check().unwrap_err().contains("ld.so"));
        std::fs::write(&loader, "x").unwrap();
        assert!(check().unwrap_err().contains("libengine.so"));
        std::fs::write(prefix.join("lib/libengine.so"), "").unwrap();
        assert!(check().unwrap_err().contains("libengine.so"));
        std::fs::write(prefix.join("lib/libengine.so"), "x").unwrap();
        assert_eq!(check(), Ok(()));
        std::fs::remove_dir_all(&prefix).unwrap();
    }
}
