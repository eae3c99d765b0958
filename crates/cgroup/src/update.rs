//! New values for a cgroup that is in use: all of them, or none. Parent side.

use crate::Error;
use crate::files::Dir;
use crate::write;
use skiff_plan::CgroupWrite;

/// Writes every value; when one is refused, those that were there before come back, and the refusal is the error.
pub(crate) fn all<'d>(writes: &[CgroupWrite], dir_of: impl Fn(&str) -> Option<&'d Dir>) -> Result<Undo<'d>, Error> {
    let held: Vec<_> = writes.iter().filter_map(|write| before(dir_of(&write.controller)?, write)).collect();
    let undo = Undo::by(move || write_back(&held));
    write::all(writes, dir_of).inspect_err(|_| undo.now())?;
    Ok(undo)
}

/// Steps that bring back what was there. Best effort: whoever takes them has an error to report already.
pub(crate) struct Undo<'d>(Vec<Box<dyn Fn() + 'd>>);

impl<'d> Undo<'d> {
    pub(crate) fn by(step: impl Fn() + 'd) -> Undo<'d> {
        Undo(vec![Box::new(step)])
    }

    /// Goes on with a change that can be undone, too; undoes this one if that fails.
    pub(crate) fn and(mut self, next: Result<Undo<'d>, Error>) -> Result<Undo<'d>, Error> {
        self.0.extend(next.inspect_err(|_| self.now())?.0);
        Ok(self)
    }

    /// The last change goes first.
    pub(crate) fn now(&self) {
        self.0.iter().rev().for_each(|step| step());
    }
}

fn write_back(held: &[(&Dir, CgroupWrite)]) {
    // Twice: what depends on another value is refused until that one is back.
    for (dir, write) in held.iter().rev().chain(held.iter().rev()) {
        let _ = dir.write(&write.file, &write.value);
    }
}

/// A write that brings back what `write` is about to replace; `None` where the file is missing or cannot be read.
fn before<'d>(dir: &'d Dir, write: &CgroupWrite) -> Option<(&'d Dir, CgroupWrite)> {
    let places = std::iter::once((&write.file, &write.value)).chain(write.fallback.iter().map(|(file, value)| (file, value)));
    let (file, value, text) = places.into_iter().find_map(|(file, value)| Some((file, value, dir.read(file).ok()?)))?;
    Some((dir, CgroupWrite { value: restored(file, value, &text), file: file.clone(), ..write.clone() }))
}

/// The value as it must be written to restore `old`, the whole text of `file`, after `new` was written.
fn restored(file: &str, new: &str, old: &str) -> String {
    let key = new.split(' ').next().unwrap_or_default();
    let line = |key: &str| old.lines().find(|line| line.split(' ').next() == Some(key)).map(str::to_owned);
    match file {
        // cgroup-v1/memory.rst: reads as `oom_kill_disable 1` among others, writes as `1`.
        "memory.oom_control" => line("oom_kill_disable").and_then(|line| Some(line.split(' ').nth(1)?.to_owned())),
        // A line for each device, and none for what is unlimited.
        "io.max" => line(key).or_else(|| Some(format!("{key} rbps=max wbps=max riops=max wiops=max"))),
        "rdma.max" => line(key).or_else(|| Some(format!("{key} hca_handle=max hca_object=max"))),
        _ if file.starts_with("blkio.throttle.") || file.ends_with("weight_device") => {
            line(key).or_else(|| Some(format!("{key} 0")))
        }
        "io.weight" | "io.bfq.weight" if key.contains(':') => line(key).or_else(|| Some(format!("{key} default"))),
        "io.weight" | "io.bfq.weight" => line("default"),
        _ if file == "net_prio.ifpriomap" => line(key),
        _ => None,
    }
    .unwrap_or_else(|| old.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_can_be_written_back() {
        for (file, new, old, expected) in [
            ("memory.max", "5", "max\n", "max"),
            ("cpu.max", "max 100000", "5000 20000\n", "5000 20000"),
            ("cpuset.cpus", "0", "\n", ""),
            ("memory.oom_control", "1", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n", "0"),
            ("io.max", "8:0 rbps=1", "8:16 rbps=2 wbps=max riops=max wiops=max\n", "8:0 rbps=max wbps=max riops=max wiops=max"),
            ("io.max", "8:16 wbps=1", "8:16 rbps=2 wbps=max riops=max wiops=max\n", "8:16 rbps=2 wbps=max riops=max wiops=max"),
            ("io.weight", "200", "default 100\n8:0 300\n", "default 100"),
            ("io.weight", "8:0 200", "default 100\n8:0 300\n", "8:0 300"),
            ("io.bfq.weight", "8:16 200", "default 100\n8:0 300\n", "8:16 default"),
            ("blkio.throttle.read_bps_device", "8:0 100", "", "8:0 0"),
            ("rdma.max", "mlx5_0 hca_handle=2", "mlx5_0 hca_handle=max hca_object=7\n", "mlx5_0 hca_handle=max hca_object=7"),
            ("net_prio.ifpriomap", "lo 5", "lo 0\neth0 3\n", "lo 0"),
        ] {
            assert_eq!(restored(file, new, old), expected, "{file} {new}");
        }
    }
}
