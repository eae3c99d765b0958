//! Bundles: a busybox root filesystem and a config.json.

use crate::{Context, Error};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// runc's default spec without a terminal, running `/bin/true` in `rootfs`.
pub fn default_spec() -> Value {
    serde_json::from_str(include_str!("../default.json")).unwrap_or_default()
}

/// The static busybox: `$BUSYBOX`, else Debian's.
pub fn busybox() -> PathBuf {
    std::env::var_os("BUSYBOX").map_or_else(|| "/bin/busybox".into(), PathBuf::from)
}

/// Makes `dir/rootfs` with busybox, a link for each applet, and the directories that mounts want.
pub fn make_rootfs(dir: &Path) -> Result<(), Error> {
    let root = dir.join("rootfs");
    for name in ["bin", "dev", "etc", "proc", "sys", "tmp", "root", "home"] {
        let path = root.join(name);
        fs::create_dir_all(&path).context(|| format!("make {}", path.display()))?;
    }
    let program = root.join("bin/busybox");
    copy_program(&busybox(), &program).context(|| format!("copy {} (Debian: busybox-static)", busybox().display()))?;
    for applet in applets(&program)? {
        let path = root.join("bin").join(&applet);
        if applet != "busybox" && !path.exists() {
            symlink("busybox", &path).context(|| format!("link {}", path.display()))?;
        }
    }
    let files = [
        ("etc/passwd", "root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/home:/bin/sh\n"),
        ("etc/group", "root:x:0:\nuser:x:1000:\n"),
    ];
    for (name, text) in files {
        fs::write(root.join(name), text).context(|| format!("write {name}"))?;
    }
    Ok(())
}

/// Copies a program that will be executed. Another process does it: a descriptor open for writing here would be
/// inherited by what another thread forks at that moment, and execve(2) would fail with ETXTBSY.
fn copy_program(from: &Path, to: &Path) -> Result<(), Error> {
    let done = Command::new("cp").arg(from).arg(to).status()?;
    if !done.success() {
        return Err(format!("cp: {done}").into());
    }
    Ok(())
}

fn applets(busybox: &Path) -> Result<Vec<String>, Error> {
    let out = Command::new(busybox).arg("--list").output().context(|| format!("run {}", busybox.display()))?;
    Ok(String::from_utf8_lossy(&out.stdout).lines().map(str::to_owned).collect())
}

/// Writes `dir/config.json`.
pub fn write_config(dir: &Path, spec: &Value) -> Result<(), Error> {
    let path = dir.join("config.json");
    fs::write(&path, spec.to_string()).context(|| format!("write {}", path.display()))
}

/// Sets `process.args`.
pub fn set_args(spec: &mut Value, args: &[&str]) {
    spec["process"]["args"] = args.iter().copied().map(Value::from).collect();
}
