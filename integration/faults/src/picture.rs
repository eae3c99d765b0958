//! How a container looks to the host and to itself, as text without what differs from run to run: two of them must be equal.

use crate::lab::find_named;
use nix::unistd::Pid;
use skiff_testbed::{Context, Error};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Draws the process `pid` of the container. That of a `module` was never executed, so its descriptors have the numbers that were
/// free.
pub fn take(pid: Pid, id: &str, payload: &str, module: bool) -> Result<String, Error> {
    let mut text = String::new();
    for (name, part) in [
        ("status", status(pid)?),
        ("mounts", mounts(pid)?),
        ("descriptors", descriptors(pid, module)?),
        ("cgroup", cgroup(id)),
        ("payload", payload.to_owned()),
    ] {
        for line in part.lines() {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name}: {line}");
        }
    }
    for file in ["limits", "oom_score_adj", "cgroup", "cmdline", "environ", "loginuid", "personality"] {
        for line in read(pid, file)?.split(['\0', '\n']) {
            let _ = writeln!(text, "{file}: {line}");
        }
    }
    for link in ["cwd", "root", "exe"] {
        let _ = writeln!(text, "{link}: {}", target(&format!("/proc/{pid}/{link}")));
    }
    for kind in ["cgroup", "ipc", "mnt", "net", "pid", "uts", "user", "time"] {
        let new = target(&format!("/proc/{pid}/ns/{kind}")) != target(&format!("/proc/self/ns/{kind}"));
        let _ = writeln!(text, "namespace {kind}: {}", if new { "new" } else { "host" });
    }
    Ok(text.replace(id, "ID"))
}

/// Whether the process has native code that no file holds, as it has where a module runs compiled.
pub fn is_compiled(pid: Pid) -> Result<bool, Error> {
    let anonymous = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        matches!(words.as_slice(), [_, "r-xp", _, _, "0"])
    };
    Ok(read(pid, "maps")?.lines().any(anonymous))
}

/// The lines that only one of the two has.
pub fn differences(usual: &str, now: &str) -> Vec<String> {
    let (usual, now): (BTreeSet<_>, BTreeSet<_>) = (usual.lines().collect(), now.lines().collect());
    let lost = usual.difference(&now).map(|line| format!("lost {line}"));
    lost.chain(now.difference(&usual).map(|line| format!("new {line}"))).collect()
}

fn read(pid: Pid, file: &str) -> Result<String, Error> {
    let path = format!("/proc/{pid}/{file}");
    let raw = fs::read(&path).context(|| format!("read {path}"))?;
    Ok(String::from_utf8_lossy(&raw).into_owned())
}

fn target(path: &str) -> String {
    fs::read_link(path).map_or_else(|error| error.to_string(), |to| to.to_string_lossy().into_owned())
}

fn status(pid: Pid) -> Result<String, Error> {
    const KEYS: [&str; 12] =
        ["Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "SigIgn", "SigBlk"];
    let text = read(pid, "status")?;
    let wanted = text.lines().filter(|line| line.split(':').next().is_some_and(|key| KEYS.contains(&key)));
    Ok(wanted.collect::<Vec<_>>().join("\n"))
}

/// mountinfo without ids, device numbers and peer group numbers; the order stays, by a number.
fn mounts(pid: Pid) -> Result<String, Error> {
    let text = read(pid, "mountinfo")?;
    let line = |(order, line): (usize, &str)| {
        let words = line.split(' ').skip(3).map(|word| match word.split_once(':') {
            Some((kind @ ("shared" | "master"), _)) => kind,
            _ => word,
        });
        // Where a new cgroup2 mount is denied, the host's is bound: the same, but for the name that it was mounted by.
        let text = words.collect::<Vec<_>>().join(" ");
        format!("{order} {}", text.replace(" - cgroup2 none ", " - cgroup2 cgroup "))
    };
    Ok(text.lines().enumerate().map(line).collect::<Vec<_>>().join("\n"))
}

/// Numbers of the open descriptors, or what they are.
fn descriptors(pid: Pid, kinds: bool) -> Result<String, Error> {
    let dir = format!("/proc/{pid}/fd");
    let mut found = Vec::new();
    for entry in fs::read_dir(&dir).context(|| format!("list {dir}"))?.flatten() {
        let number = entry.file_name().to_string_lossy().into_owned();
        found.push(if kinds { target(&format!("{dir}/{number}")) } else { number });
    }
    found.sort();
    Ok(found.join(if kinds { "\n" } else { " " }))
}

/// Limits and device rules, from every hierarchy.
fn cgroup(id: &str) -> String {
    const FILES: [&str; 5] = ["devices.list", "memory.limit_in_bytes", "pids.max", "cpu.shares", "cgroup.procs"];
    let mut dirs = Vec::new();
    find_named(Path::new("/sys/fs/cgroup"), id, 6, &mut dirs);
    dirs.sort();
    let mut text = String::new();
    for dir in &dirs {
        let name = dir.display();
        let _ = writeln!(text, "{name}");
        for file in FILES {
            let Ok(content) = fs::read_to_string(dir.join(file)) else { continue };
            let shown = if file == "cgroup.procs" { content.lines().count().to_string() } else { content };
            for line in shown.lines() {
                let _ = writeln!(text, "{name}/{file}: {line}");
            }
        }
    }
    text
}
