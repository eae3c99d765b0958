//! What compiled code is for: a module, and the compiler, processor and options that made it. Runs in the runtime's parent
//! process.

use super::entry::FORMAT;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// SHA-256.
pub type Sum = [u8; 32];

/// The longest version of an engine that an entry's header has room for, in bytes.
pub const ENGINE_MAX: usize = 32;

/// What an entry of the cache is found by. Entries with any part different live beside each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Of the module's file, as it is.
    pub module: Sum,
    /// What the code was made by and for.
    pub maker: Maker,
}

/// What code is made by, and which processor for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maker {
    /// The engine's version, [`ENGINE_MAX`] bytes at most; a longer one is cut.
    pub engine: String,
    /// Of what the processor can do ([`processor`]).
    pub processor: Sum,
    /// WasmEdge's optimisation level: 0 to 3 for speed, 4 and 5 for size.
    pub optimise: u8,
}

impl Maker {
    /// This machine's, by the engine that is linked in.
    #[must_use]
    pub fn here(optimise: u8) -> Self {
        let mut engine = crate::version();
        engine.truncate(ENGINE_MAX);
        Self { engine, processor: processor(), optimise }
    }

    /// Of all parts.
    #[must_use]
    pub fn sum(&self) -> Sum {
        let mut hash = Sha256::new();
        hash.update(FORMAT.to_le_bytes());
        hash.update([self.optimise, self.engine.len() as u8]);
        hash.update(&self.engine);
        hash.update(self.processor);
        hash.finalize().into()
    }
}

impl Key {
    /// The key of the module in `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8], maker: Maker) -> Self {
        Self { module: sum(bytes), maker }
    }

    /// Without a suffix: the module's digest, and enough of the maker's that two makers' entries do not meet.
    pub(crate) fn stem(&self) -> String {
        format!("{}-{}", hex(&self.module), hex(&self.maker.sum()[..8]))
    }
}

/// SHA-256 of some bytes.
#[must_use]
pub fn sum(bytes: &[u8]) -> Sum {
    Sha256::digest(bytes).into()
}

/// As it is written in file names and messages.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// A digest of what the compiler may make use of: it asks the processor itself, so this does, too. `/proc/cpuinfo` also tells
/// what the kernel thinks of the processor, which changes with the kernel.
#[must_use]
pub fn processor() -> Sum {
    let mut hash = Sha256::new();
    hash.update(std::env::consts::ARCH);
    for word in features() {
        hash.update(word.to_le_bytes());
    }
    hash.finalize().into()
}

#[cfg(target_arch = "x86_64")]
fn features() -> Vec<u64> {
    use std::arch::x86_64::__cpuid_count;
    // The subleaf's words of features only: others tell of caches, of this very core, or of microcode.
    #[allow(unused_unsafe)]
    // SAFETY: every x86-64 processor has cpuid; a leaf that it does not know gives zeroes, or those of the highest one.
    let leaf = |leaf, subleaf| unsafe { __cpuid_count(leaf, subleaf) };
    let (highest, extended) = (leaf(0, 0).eax, leaf(0x8000_0000, 0).eax);
    let known = |at: u32| at <= highest || (at >= 0x8000_0000 && at <= extended);
    let mut words = Vec::new();
    let mut take = |at: u32, subleaf, pick: fn(std::arch::x86_64::CpuidResult) -> [u32; 3]| {
        let found = if known(at) { pick(leaf(at, subleaf)) } else { [0; 3] };
        words.extend(found.map(u64::from));
    };
    // Family and model without the stepping.
    take(1, 0, |leaf| [leaf.eax & !0xf, leaf.ecx, leaf.edx]);
    take(7, 0, |leaf| [leaf.ebx, leaf.ecx, 0]);
    take(7, 1, |leaf| [leaf.eax, leaf.ecx, leaf.edx]);
    take(0xd, 1, |leaf| [leaf.eax, 0, 0]);
    // What the kernel has switched on of the register state: the compiler looks at it, too.
    take(0xd, 0, |leaf| [leaf.eax, leaf.edx, 0]);
    take(0x19, 0, |leaf| [leaf.ebx, 0, 0]);
    take(0x24, 0, |leaf| [leaf.ebx, 0, 0]);
    take(0x8000_0001, 0, |leaf| [leaf.ecx, leaf.edx, 0]);
    take(0x8000_0008, 0, |leaf| [leaf.ebx, 0, 0]);
    words
}

#[cfg(not(target_arch = "x86_64"))]
fn features() -> Vec<u64> {
    // SAFETY: integers only; an unknown entry gives zero.
    [libc::AT_HWCAP, libc::AT_HWCAP2].map(|entry| u64::from(unsafe { libc::getauxval(entry) })).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_makes_another_name() {
        let maker = Maker { engine: "0.17.1".into(), processor: processor(), optimise: 2 };
        let key = Key::of(b"module", maker.clone());
        let others = [
            Key { module: sum(b"other"), ..key.clone() },
            Key { maker: Maker { engine: "0.17.2".into(), ..maker.clone() }, ..key.clone() },
            Key { maker: Maker { processor: [0; 32], ..maker.clone() }, ..key.clone() },
            Key { maker: Maker { optimise: 3, ..maker }, ..key.clone() },
        ];
        for other in others {
            assert_ne!(other.stem(), key.stem(), "{other:?}");
        }
    }

    #[test]
    fn a_processor_is_the_same_each_time() {
        assert_eq!(processor(), processor());
        assert_eq!(hex(&sum(b"")[..4]), "e3b0c442");
    }
}
