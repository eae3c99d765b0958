//! The worker's cgroup: a limit on memory and tasks, and the processor only when nobody else wants it. Made by the monitor where
//! it has the right; a user without has the resource limits alone.

use super::{Limits, sandbox};
use crate::cache::{Key, hex};
use skiff_cgroup::Cgroup;
use skiff_plan::{CgroupFacts, CgroupLayout, CgroupPlan, CgroupWrite, V1Dir};
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// Then the module's digest in short, and the monitor's pid.
const NAME: &str = "skiff-compile-";

/// A cgroup of the worker's own; `None` where none can be had.
pub(super) fn make(key: &Key, limits: &Limits, idle: bool) -> Option<Cgroup> {
    if !nix::unistd::geteuid().is_root() {
        return None;
    }
    let path = PathBuf::from(format!("{NAME}{}-{}", hex(&key.module[..8]), std::process::id()));
    let facts = skiff_cgroup::facts(true).ok()?;
    let (layout, writes) = match facts {
        CgroupFacts::V2 { mount, .. } => {
            let controllers = ["cpu", "memory", "pids"].map(str::to_owned).to_vec();
            (CgroupLayout::V2 { mount, path, controllers }, version2(limits, idle))
        }
        CgroupFacts::V1(hierarchies) => {
            let wanted = |names: &str| names.split(',').any(|name| ["cpu", "memory", "pids"].contains(&name));
            let dirs = hierarchies.into_iter().filter(|hierarchy| wanted(&hierarchy.controllers));
            let dirs = dirs.map(|dir| V1Dir { mount: dir.mount, controllers: dir.controllers, path: path.clone() });
            (CgroupLayout::V1(dirs.collect()), version1(limits, idle))
        }
        CgroupFacts::None => return None,
    };
    match &layout {
        CgroupLayout::V2 { mount, .. } => sweep(mount),
        CgroupLayout::V1(dirs) => dirs.iter().for_each(|dir| sweep(&dir.mount)),
        CgroupLayout::Disabled => {}
    }
    Cgroup::create(&CgroupPlan { writes, ..CgroupPlan::bare(layout) }).ok()
}

/// Removes what killed monitors have left. Only what is empty goes.
fn sweep(mount: &Path) {
    let names = std::fs::read_dir(mount).into_iter().flatten().flatten().map(|entry| entry.file_name());
    for name in names.filter_map(|name| name.into_string().ok()).filter(|name| name.starts_with(NAME)) {
        let monitor = name.rsplit('-').next().unwrap_or_default();
        if !Path::new("/proc").join(monitor).exists() {
            let _ = std::fs::remove_dir(mount.join(&name));
        }
    }
}

fn version2(limits: &Limits, idle: bool) -> Vec<CgroupWrite> {
    let mut writes = vec![
        write("memory", "memory.max", limits.memory, false),
        write("memory", "memory.swap.max", 0, true),
        write("pids", "pids.max", sandbox::tasks(), false),
    ];
    if idle {
        writes.push(write("cpu", "cpu.weight", 1, true));
        writes.push(write("cpu", "cpu.idle", 1, true));
    }
    writes
}

fn version1(limits: &Limits, idle: bool) -> Vec<CgroupWrite> {
    let mut writes = vec![
        write("memory", "memory.limit_in_bytes", limits.memory, false),
        write("memory", "memory.memsw.limit_in_bytes", limits.memory, true),
        write("pids", "pids.max", sandbox::tasks(), false),
    ];
    if idle {
        writes.push(write("cpu", "cpu.shares", 2, true));
    }
    writes
}

fn write(controller: &'static str, file: &str, value: u64, optional: bool) -> CgroupWrite {
    let field = "wasm.compiler";
    CgroupWrite {
        controller: Cow::Borrowed(controller),
        file: file.into(),
        value: value.to_string(),
        field,
        fallback: None,
        optional,
    }
}
