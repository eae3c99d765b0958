//! `skiff wasm compile` and `skiff wasm cache`, but for the command line. They write what they have to say to the writer that
//! they get.

use super::progress::Line;
use super::{Error, Limits, Request, Tools, wait};
use crate::cache::{self, Cache, Entry, Key, Maker, Verdict, hex};
use std::fs::File;
use std::io::{self, Read, Write};
use std::time::SystemTime;

/// Compiles the open module, unless the cache has it; what failed before is tried again. `name` is what the user calls it. Tells
/// on stderr how far it is, where that is a terminal.
///
/// # Errors
/// The module cannot be read or compiled; the writer's own.
pub fn compile(
    out: &mut dyn Write,
    name: &str,
    module: File,
    cache: Cache,
    limits: Limits,
    tools: Tools,
    maker: Maker,
) -> io::Result<()> {
    let mut bytes = Vec::new();
    (&module).take(limits.module.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limits.module {
        return Err(io::Error::other(format!("compile {name}: it has more than {} bytes", limits.module)));
    }
    let key = Key::of(&bytes, maker);
    drop(bytes);
    let digest = hex(&key.module);
    if cache.lookup(&key).is_some() {
        return writeln!(out, "{digest}  {name}: compiled already");
    }
    let mut line = Line::new();
    let request = Request { cache, key, limits, tools, args: None, again: true };
    let done = wait(request, module.into(), None, &mut |phase| line.tick(phase));
    drop(line);
    done.map_err(|error| match error {
        Error::Module(reason) => io::Error::other(format!("compile {name}: {reason}")),
        Error::Host(_) => io::Error::other(error),
    })?;
    writeln!(out, "{digest}  {name}: compiled")
}

/// One line an entry, the least recently used first: the module's digest, size in bytes, days since it was compiled and since it
/// was used, the engine.
///
/// # Errors
/// The cache cannot be read; the writer's own.
pub fn list(out: &mut dyn Write, cache: &Cache) -> io::Result<()> {
    let entries = cache.list().map_err(io::Error::other)?;
    writeln!(out, "{:<64} {:>10} {:>8} {:>8} ENGINE", "MODULE", "SIZE", "AGE", "UNUSED")?;
    let now = SystemTime::now();
    entries.iter().try_for_each(|entry| row(out, entry, now))
}

fn row(out: &mut dyn Write, entry: &Entry, now: SystemTime) -> io::Result<()> {
    let (made, used) = (since(entry.made, now), since(entry.used, now));
    writeln!(out, "{} {:>10} {made:>8} {used:>8} wasmedge {}", hex(&entry.module), entry.size, entry.maker.engine)
}

/// In the largest whole unit.
fn since(time: SystemTime, now: SystemTime) -> String {
    let seconds = now.duration_since(time).unwrap_or_default().as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86400),
    }
}

/// Removes the least recently used until `limit` bytes are left, and all that no engine of this version can use.
///
/// # Errors
/// The cache cannot be read; the writer's own.
pub fn prune(out: &mut dyn Write, cache: &Cache, limit: u64, maker: &Maker) -> io::Result<()> {
    let done = cache.prune(limit, maker, true).map_err(io::Error::other)?;
    writeln!(out, "{} removed ({} bytes), {} left ({} bytes)", done.removed, done.freed, done.kept, done.size)
}

/// Reads every entry and removes what is not as it was written. `true`: all were.
///
/// # Errors
/// The cache cannot be read; the writer's own.
pub fn verify(out: &mut dyn Write, cache: &Cache) -> io::Result<bool> {
    let verdicts = cache.verify().map_err(|error: cache::Error| io::Error::other(error))?;
    let mut good = 0;
    for verdict in &verdicts {
        match verdict {
            Verdict::Good(_) => good += 1,
            Verdict::Removed { name, reason } => writeln!(out, "removed {name}: {reason}")?,
        }
    }
    writeln!(out, "{good} good, {} removed", verdicts.len() - good)?;
    Ok(good == verdicts.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn ages_are_short() {
        let now = SystemTime::now();
        for (seconds, text) in [(0, "0s"), (59, "59s"), (61, "1m"), (7200, "2h"), (200_000, "2d")] {
            assert_eq!(since(now - Duration::from_secs(seconds), now), text);
        }
        assert_eq!(since(now + Duration::from_secs(9), now), "0s");
    }
}
