//! The file of one entry: a header of fixed length, then the code. Runs in the runtime's parent process and in the compiler's.

use super::key::{ENGINE_MAX, Key, Maker, Sum, sum};
use nix::sys::stat::{FileStat, SFlag};
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Of this layout and of what the code is: the section `wasmedge` of a universal WebAssembly file, whole.
pub(crate) const FORMAT: u32 = 1;
/// Where the code begins.
pub(crate) const HEADER: usize = 224;
/// The code's digest is checked with each use up to this many bytes. With the processor's SHA instructions that takes half a
/// millisecond; what is longer is read by [`super::Cache::verify`] only.
pub(crate) const CHECKED: u64 = 512 << 10;

const MAGIC: &[u8; 8] = b"skiffaot";
/// Owner may read, nobody may write.
pub(crate) const MODE: u32 = 0o400;

/// What an entry's header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) key: Key,
    /// Length of the code in bytes.
    pub(crate) length: u64,
    pub(crate) code: Sum,
}

impl Header {
    pub(crate) fn of(key: &Key, code: &[u8]) -> Self {
        Self { key: key.clone(), length: code.len() as u64, code: sum(code) }
    }

    pub(crate) fn write(&self) -> [u8; HEADER] {
        let mut out = [0; HEADER];
        let maker = &self.key.maker;
        out[..8].copy_from_slice(MAGIC);
        out[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        out[12] = maker.optimise;
        out[13] = maker.engine.len() as u8;
        out[16..24].copy_from_slice(&self.length.to_le_bytes());
        out[24..56].copy_from_slice(&self.key.module);
        out[56..88].copy_from_slice(&maker.processor);
        out[88..120].copy_from_slice(&self.code);
        out[120..120 + maker.engine.len()].copy_from_slice(maker.engine.as_bytes());
        let own = sum(&out[..HEADER - 32]);
        out[HEADER - 32..].copy_from_slice(&own);
        out
    }

    /// Why it is none, in plain words.
    pub(crate) fn read(bytes: &[u8; HEADER]) -> Result<Self, &'static str> {
        if &bytes[..8] != MAGIC {
            return Err("it is no entry of this cache");
        }
        if bytes[8..12] != FORMAT.to_le_bytes() {
            return Err("its format is another version's");
        }
        if sum(&bytes[..HEADER - 32]) != bytes[HEADER - 32..] {
            return Err("its header is damaged");
        }
        let engine = bytes[120..120 + ENGINE_MAX].get(..usize::from(bytes[13])).and_then(|text| str::from_utf8(text).ok());
        let maker =
            Maker { engine: engine.ok_or("its header is damaged")?.to_owned(), processor: part(bytes, 56), optimise: bytes[12] };
        let length = u64::from_le_bytes(part(bytes, 16));
        Ok(Self { key: Key { module: part(bytes, 24), maker }, length, code: part(bytes, 88) })
    }
}

fn part<const N: usize>(bytes: &[u8; HEADER], at: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&bytes[at..at + N]);
    part
}

/// What an entry's file must be, whatever is in it. `owner` is the cache's.
pub(crate) fn check_file(stat: &FileStat, owner: u32) -> Result<(), &'static str> {
    if SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT != SFlag::S_IFREG {
        return Err("it is no regular file");
    }
    if stat.st_uid != owner {
        return Err("it is somebody else's");
    }
    if stat.st_mode & 0o7777 != MODE {
        return Err("others than its owner have rights on it, or its owner may write it");
    }
    // None: it was replaced just now.
    if stat.st_nlink > 1 {
        return Err("it has another name");
    }
    Ok(())
}

/// The header of an open entry, checked against the file: whose, how long. Not the code.
pub(crate) fn check(file: &File, owner: u32) -> Result<Header, &'static str> {
    let stat = nix::sys::stat::fstat(file).map_err(|_| "it cannot be looked at")?;
    check_file(&stat, owner)?;
    let mut bytes = [0; HEADER];
    file.read_exact_at(&mut bytes, 0).map_err(|_| "it is cut short")?;
    let header = Header::read(&bytes)?;
    if stat.st_size as u64 != header.length.saturating_add(HEADER as u64) {
        return Err("it is cut short");
    }
    Ok(header)
}

/// The code is the one that was written.
pub(crate) fn check_code(file: &File, header: &Header) -> Result<(), &'static str> {
    let mut code = vec![0; usize::try_from(header.length).map_err(|_| "it is too long")?];
    file.read_exact_at(&mut code, HEADER as u64).map_err(|_| "it is cut short")?;
    if sum(&code) == header.code { Ok(()) } else { Err("its code is damaged") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_says_what_was_written_and_nothing_else() {
        let maker = Maker { engine: "0.17.1-".repeat(4), processor: [7; 32], optimise: 2 };
        let header = Header::of(&Key::of(b"module", maker), b"code");
        let bytes = header.write();
        assert_eq!(Header::read(&bytes), Ok(header));
        for at in 0..HEADER {
            let mut bad = bytes;
            bad[at] ^= 1;
            assert!(Header::read(&bad).is_err(), "{at}");
        }
    }
}
