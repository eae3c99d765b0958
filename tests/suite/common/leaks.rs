//! What a container may leave behind, found from outside. Everything of a test carries its name: directory,
//! container ids, and so cgroups and mounts.

use std::fs;
use std::path::{Path, PathBuf};

use super::Mode;
use super::mountinfo::parse;

/// Everything on the machine that carries `needle`, one line each; empty if nothing is left.
pub fn find(needle: &str, state_root: &Path, mode: Mode) -> Vec<String> {
    let mut found = Vec::new();
    found.extend(cgroups(needle, mode).into_iter().map(|path| format!("cgroup {}", path.display())));
    found.extend(mounts(needle).into_iter().map(|path| format!("mount {path}")));
    found.extend(state(state_root).into_iter().map(|path| format!("state {}", path.display())));
    found.extend(processes(needle).into_iter().map(|(pid, why)| format!("process {pid} ({why})")));
    found
}

/// Directories of any hierarchy whose name carries `needle`.
pub fn cgroups(needle: &str, mode: Mode) -> Vec<PathBuf> {
    let mounts = parse(&fs::read_to_string("/proc/self/mountinfo").expect("read mountinfo"));
    let mut found = Vec::new();
    for mount in mounts.iter().filter(|mount| mount.fstype.starts_with("cgroup")) {
        below(Path::new(&mount.at), needle, &mut found);
    }
    if mode == Mode::V2 && !mounts.iter().any(|mount| mount.fstype == "cgroup2") {
        found.extend(hidden_cgroups(needle));
    }
    found
}

fn below(dir: &Path, needle: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        if entry.file_name().to_string_lossy().contains(needle) {
            found.push(entry.path());
        }
        below(&entry.path(), needle, found);
    }
}

/// The version 2 hierarchy of a host that has it mounted nowhere.
fn hidden_cgroups(needle: &str) -> Vec<PathBuf> {
    let mut find = Mode::V2.command(Path::new("find"));
    find.args(["/sys/fs/cgroup", "-type", "d", "-name"]).arg(format!("*{needle}*"));
    let out = find.output().expect("run find");
    String::from_utf8_lossy(&out.stdout).lines().map(PathBuf::from).collect()
}

/// Mount points of our own namespace below the test's directory.
pub fn mounts(needle: &str) -> Vec<String> {
    let mounts = parse(&fs::read_to_string("/proc/self/mountinfo").expect("read mountinfo"));
    mounts.into_iter().map(|mount| mount.at).filter(|at| at.contains(needle)).collect()
}

fn state(root: &Path) -> Vec<PathBuf> {
    fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// Other processes that belong to the test, and by what they are known. A fork of ours that has not yet executed
/// anything (another test's call) shares our descriptors and does not count.
pub fn processes(needle: &str) -> Vec<(i32, String)> {
    let own = std::env::current_exe().expect("own executable");
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("read /proc").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Ok(pid) = name.parse::<i32>() else { continue };
        if fs::read_link(entry.path().join("exe")).is_ok_and(|exe| exe == own) {
            continue;
        }
        if let Some(why) = belongs(&entry.path(), needle) {
            found.push((pid, why));
        }
    }
    found
}

fn belongs(process: &Path, needle: &str) -> Option<String> {
    for link in ["exe", "cwd", "root"] {
        let target = fs::read_link(process.join(link)).unwrap_or_default();
        if target.to_string_lossy().contains(needle) {
            return Some(format!("{link} {}", target.display()));
        }
    }
    for file in ["cmdline", "cgroup"] {
        let text = fs::read(process.join(file)).unwrap_or_default();
        if String::from_utf8_lossy(&text).contains(needle) {
            return Some(file.to_string());
        }
    }
    mounted(process, needle).or_else(|| open_file(process, needle))
}

/// Only what a mount shows counts, not where it is: other tests' mount namespaces are copies of the host's, and
/// hold what this test mounted there.
fn mounted(process: &Path, needle: &str) -> Option<String> {
    let mounts = parse(&fs::read_to_string(process.join("mountinfo")).unwrap_or_default());
    let mount = mounts.into_iter().find(|mount| mount.root.contains(needle))?;
    Some(format!("mount of {} at {}", mount.root, mount.at))
}

fn open_file(process: &Path, needle: &str) -> Option<String> {
    let descriptors = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
    let mut targets = descriptors.filter_map(|entry| fs::read_link(entry.path()).ok());
    let target = targets.find(|target| target.to_string_lossy().contains(needle))?;
    Some(format!("descriptor of {}", target.display()))
}

/// Removes what a failed test left, by any means.
pub fn clear(needle: &str, mode: Mode) {
    for (pid, _) in processes(needle) {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
    }
    for mount in mounts(needle).into_iter().rev() {
        let _ = nix::mount::umount2(mount.as_str(), nix::mount::MntFlags::MNT_DETACH);
    }
    for cgroup in cgroups(needle, mode).into_iter().rev() {
        let _ = fs::remove_dir(cgroup);
    }
    let _ = Mode::V2
        .command(Path::new("find"))
        .args(["/sys/fs/cgroup", "-depth", "-type", "d", "-name"])
        .arg(format!("*{needle}*"))
        .arg("-delete")
        .output();
}
