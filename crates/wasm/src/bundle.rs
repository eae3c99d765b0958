//! The module that `skiff wasm compile` is asked for: a file, or what the process of a bundle runs. Parent side.

use anyhow::Context;
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::Mode;
use oci_spec::runtime::Spec;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Opens it; what the user calls it comes first.
pub(crate) fn open_module(path: &Path) -> anyhow::Result<(String, File)> {
    if !path.is_dir() {
        let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
        return Ok((path.display().to_string(), file));
    }
    let config = path.join("config.json");
    let text = std::fs::read(&config).with_context(|| format!("read {}", config.display()))?;
    let spec: Spec = serde_json::from_slice(&text).with_context(|| format!("parse {}", config.display()))?;
    let process = spec.process().as_ref().with_context(|| format!("{}: process: is missing", config.display()))?;
    let command = process.args().iter().flatten().next();
    let command = command.with_context(|| format!("{}: process.args: is missing", config.display()))?;
    let root = path.join(spec.root().as_ref().map_or(Path::new("rootfs"), |root| root.path()));
    let root = open(&root, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
        .with_context(|| format!("open {}", root.display()))?;
    let env = process.env().iter().flatten().find_map(|entry| entry.strip_prefix("PATH="));
    let found = candidates(command, env.unwrap_or_default(), process.cwd()).find_map(|file| inside(&root, &file).ok());
    let file = found
        .with_context(|| format!("{}: process.args[0]: {command}: no such file in the root filesystem", config.display()))?;
    Ok((command.clone(), file))
}

/// Where init would look, with and without a function's name.
fn candidates(command: &str, path: &str, cwd: &Path) -> impl Iterator<Item = PathBuf> {
    let names = [Some(command), command.rsplit_once('#').map(|(name, _)| name)];
    let path: Vec<PathBuf> = path.split(':').map(|dir| cwd.join(dir)).chain([cwd.to_owned()]).collect();
    let cwd = cwd.to_owned();
    names.into_iter().flatten().map(str::to_owned).flat_map(move |name| match name.contains('/') {
        true => vec![cwd.join(name)],
        false => path.iter().map(|dir| dir.join(&name)).collect(),
    })
}

/// The image has no say over which file of the host is read.
fn inside(root: &OwnedFd, file: &Path) -> nix::Result<File> {
    let how = OpenHow::new().flags(OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC);
    let file =
        openat2(root, file, how.resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS)).map(File::from)?;
    if file.metadata().is_ok_and(|found| found.is_file()) { Ok(file) } else { Err(Errno::EACCES) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn where_a_command_is_looked_for() {
        let all = |command, path, cwd: &str| {
            candidates(command, path, Path::new(cwd)).map(|path| path.display().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(all("/a.wasm", "/bin", "/x"), ["/a.wasm"]);
        assert_eq!(all("b/a.wasm#f", "/bin", "/x"), ["/x/b/a.wasm#f", "/x/b/a.wasm"]);
        assert_eq!(all("a.wasm", "/bin:/usr/bin", "/x"), ["/bin/a.wasm", "/usr/bin/a.wasm", "/x/a.wasm"]);
    }

    #[test]
    fn a_bundle_names_its_module() {
        let bundle = std::env::temp_dir().join(format!("skiff-test-bundle-{}", std::process::id()));
        std::fs::create_dir_all(bundle.join("rootfs/app")).unwrap();
        std::fs::write(bundle.join("rootfs/app/a.wasm"), "x").unwrap();
        // Absolute links stay in the root.
        std::os::unix::fs::symlink("/app/a.wasm", bundle.join("rootfs/link.wasm")).unwrap();
        for (command, found) in
            [("/app/a.wasm", true), ("a.wasm", true), ("/link.wasm#f", true), ("/../etc/passwd", false), ("/app", false)]
        {
            let text = format!(
                r#"{{"ociVersion":"1.0.0","process":{{"user":{{}},"cwd":"/app","args":["{command}"]}},"root":{{"path":"rootfs"}}}}"#
            );
            std::fs::write(bundle.join("config.json"), text).unwrap();
            assert_eq!(open_module(&bundle).is_ok(), found, "{command}");
        }
        std::fs::remove_dir_all(&bundle).unwrap();
    }
}
