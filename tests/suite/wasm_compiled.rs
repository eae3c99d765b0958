//! Modules that run compiled: once and for all, by the runtime, into a cache of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::common::{Test, wait_at_most};
use crate::wasm::{ask, guest, module, prefix};

/// root's.
const CACHE: &str = "/var/cache/skiff/wasm";

/// Why nothing can be compiled here.
fn missing() -> Option<String> {
    let compiler = prefix().join("compiler/ld.so");
    (!compiler.exists()).then(|| format!("no compiler in {} (integration/engine/build --compiler)", prefix().display()))
}

macro_rules! compiled {
    ($name:ident, $body:expr) => {
        guests!($name, |t: &mut Test| {
            if let Some(reason) = missing() {
                skip!(t, "{reason}");
            }
            let body: fn(&mut Test) = $body;
            body(t);
        });
    };
}

/// A copy of the guest that nobody has compiled yet: with a section of its own at its end, which has no meaning.
fn unique(t: &mut Test, name: &str, args: &[&str]) -> PathBuf {
    module(t, name, args);
    t.spec["annotations"].as_object_mut().unwrap().remove("org.skiff.wasm.interpret");
    ask(t, "compile", "off");
    let file = t.rootfs().join(format!("{name}.wasm"));
    let mut bytes = fs::read(guest(name)).unwrap();
    let label = format!("{}{}", t.id, std::process::id());
    bytes.extend([0, u8::try_from(label.len() + 1).unwrap(), u8::try_from(label.len()).unwrap()]);
    bytes.extend(label.as_bytes());
    fs::write(&file, bytes).unwrap();
    file
}

/// The module's entry, if there is one.
fn entry(module: &Path) -> Option<PathBuf> {
    let sum = std::process::Command::new("sha256sum").arg(module).output().unwrap();
    let digest = String::from_utf8(sum.stdout).unwrap()[..64].to_owned();
    let entries = fs::read_dir(CACHE).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.into_iter().find(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with(&digest) && name.ends_with(".aot")
    })
}

/// Takes its modesty from whatever compiles in the background: on a machine with other work it may wait for ever.
fn hurry() {
    for process in fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path()) {
        let text = |name| fs::read_to_string(process.join(name)).unwrap_or_default();
        if text("comm") != "skiff-compile\n" && !text("cgroup").contains("/skiff-compile-") {
            continue;
        }
        // proc_pid_stat(5): the nice value is the 17th behind the name.
        let is_modest = text("stat").rsplit(") ").next().and_then(|rest| rest.split(' ').nth(16)) == Some("19");
        if is_modest {
            let pid = process.file_name().unwrap();
            let _ = std::process::Command::new("renice").args(["-n", "0", "-p"]).arg(pid).output();
        }
    }
    let hierarchies = fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten().map(|entry| entry.path());
    for group in hierarchies.flat_map(|path| fs::read_dir(path).into_iter().flatten().flatten()) {
        if group.file_name().to_string_lossy().starts_with("skiff-compile-") {
            let _ = fs::write(group.path().join("cpu.shares"), "1024");
        }
    }
}

/// A report of a trap tells compiled code from interpreted.
#[track_caller]
fn runs_compiled(t: &Test) -> bool {
    let out = t.run();
    assert_eq!(out.code, 134, "{out:?}");
    out.stderr.contains("compiled")
}

compiled!(before_the_start_if_asked_for, |t: &mut Test| {
    let file = unique(t, "trap", &["unreachable"]);
    ask(t, "compile", "before-start");
    assert!(runs_compiled(t));
    ask(t, "compile", "off");
    assert!(runs_compiled(t), "what is there is used");
    ask(t, "interpret", "true");
    assert!(!runs_compiled(t));
    fs::remove_file(entry(&file).unwrap()).unwrap();
});

compiled!(beside_the_first_start, |t: &mut Test| {
    let file = unique(t, "trap", &["unreachable"]);
    ask(t, "compile", "background");
    assert!(!runs_compiled(t), "the first start does not wait");
    // It may take wasm.compiler.max_time, at the end of which it is given up.
    wait_at_most(Duration::from_secs(660), "compiled code", || {
        hurry();
        entry(&file).is_some()
    });
    let kept = fs::metadata(entry(&file).unwrap()).unwrap();
    assert_eq!(kept.permissions().mode() & 0o777, 0o400);
    assert!(runs_compiled(t));
    fs::remove_file(entry(&file).unwrap()).unwrap();
});

compiled!(by_a_command, |t: &mut Test| {
    let file = unique(t, "trap", &["unreachable"]);
    assert!(t.call(&["wasm", "compile", file.to_str().unwrap()]).ok().contains("compiled"));
    assert!(t.call(&["wasm", "compile", "."]).ok().contains("compiled already"), "the bundle's module is the same");
    assert!(t.call(&["wasm", "cache", "list"]).ok().contains("wasmedge"));
    assert!(runs_compiled(t));
    fs::remove_file(entry(&file).unwrap()).unwrap();
});

compiled!(what_somebody_has_written_into_is_not_used, |t: &mut Test| {
    let file = unique(t, "trap", &["unreachable"]);
    t.call(&["wasm", "compile", file.to_str().unwrap()]).ok();
    let path = entry(&file).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&path, &bytes).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    assert!(!runs_compiled(t));
    assert!(entry(&file).is_none(), "it is removed");
});

compiled!(an_instance_by_exec_too, |t: &mut Test| {
    t.spec["annotations"] = serde_json::json!({});
    ask(t, "compile", "off");
    crate::wasm::waiting(t, "sleep");
    let file = unique(t, "trap", &["unreachable"]);
    t.call(&["wasm", "compile", file.to_str().unwrap()]).ok();
    let out = t.call(&["exec", &t.id, "/trap.wasm", "unreachable"]);
    assert!(out.code == 134 && out.stderr.contains("compiled"), "{out:?}");
    fs::remove_file(entry(&file).unwrap()).unwrap();
});

compiled!(no_module_is_told, |t: &mut Test| {
    t.call(&["wasm", "compile", "/bin/sh"]).fails_with(&["compile /bin/sh"]);
    t.call(&["wasm", "compile", "/nowhere.wasm"]).fails_with(&["/nowhere.wasm", "no such file"]);
    t.args(&["/nowhere.wasm"]);
    t.call(&["wasm", "compile", "."]).fails_with(&["process.args[0]: /nowhere.wasm"]);
});
