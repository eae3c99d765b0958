//! WasmEdge's plugins: shared libraries that offer host modules. They are native code in the engine's process, so the caller
//! names the file; the engine's own search path, and the environment variable that extends it, are never used.

use crate::engine::{Host, text, wrap};
use crate::refusal::Refusal;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use wasmedge_sys::ffi;

/// Loads the plugin in `file`, which must be trusted like this program, and gives its name. Before the root file system changes.
///
/// # Errors
/// [`Refusal::Plugin`] if the file holds no plugin of this engine.
pub fn load(file: &Path) -> Result<String, Refusal> {
    crate::log::take_over();
    let refused = |why: String| Refusal::Plugin { name: file.display().to_string(), why };
    let path = CString::new(file.as_os_str().as_bytes()).map_err(|_| refused("its path contains a NUL".into()))?;
    let before = loaded();
    // SAFETY: a NUL-terminated string, read during the call.
    unsafe { ffi::WasmEdge_PluginLoadFromPath(path.as_ptr()) };
    let new = loaded().into_iter().find(|name| !before.contains(name));
    new.ok_or_else(|| refused("not a plugin of this engine, or loaded already".into()))
}

/// The file of the plugin `name` in the administrator's directory, which nobody but root may be able to change or to replace.
/// Parent side: a new user namespace shows no owner as what it is.
///
/// # Errors
/// [`Refusal::Plugin`]: it is not there, or others could have written it.
pub(crate) fn checked(directory: &Path, name: &str) -> Result<PathBuf, Refusal> {
    let file = directory.join(format!("{name}.so"));
    // Nobody can take root's files out of a sticky directory, sticky(7).
    let above = directory.ancestors().skip(1).map(|path| (path, true));
    for (path, sticky) in [(file.as_path(), false), (directory, false)].into_iter().chain(above) {
        let found = std::fs::symlink_metadata(path).map_err(|error| crate::refusal::errno(&error));
        let is_closed = |mode: u32| mode & 0o022 == 0 || sticky && mode & libc::S_ISVTX != 0;
        let safe = found.map(|found| skiff_plan::is_roots(found.uid()) && is_closed(found.mode()) && !found.is_symlink());
        let why = match safe {
            Ok(true) => continue,
            Ok(false) => "not root's, or others may write it, or a symbolic link".to_owned(),
            Err(why) => why,
        };
        return Err(Refusal::Plugin { name: name.into(), why: format!("{}: {why}", path.display()) });
    }
    Ok(file)
}

fn loaded() -> Vec<String> {
    // SAFETY: no arguments.
    let length = unsafe { ffi::WasmEdge_PluginListPluginsLength() };
    let mut names = vec![wrap(""); length as usize];
    // SAFETY: room for as many strings as are asked for; they are the engine's own.
    unsafe { ffi::WasmEdge_PluginListPlugins(names.as_mut_ptr(), length) };
    names.into_iter().map(text).collect()
}

/// The host modules of a plugin that is loaded.
pub(crate) fn modules(name: &str) -> Result<Vec<Host>, Refusal> {
    let refused = |why: String| Refusal::Plugin { name: name.into(), why };
    // SAFETY: the name is read during the call.
    let plugin = unsafe { ffi::WasmEdge_PluginFind(wrap(name)) };
    if plugin.is_null() {
        return Err(refused("it is not loaded".into()));
    }
    // SAFETY: a live plugin.
    let length = unsafe { ffi::WasmEdge_PluginListModuleLength(plugin) };
    let mut names = vec![wrap(""); length as usize];
    // SAFETY: a live plugin, and room for as many strings as are asked for.
    unsafe { ffi::WasmEdge_PluginListModule(plugin, names.as_mut_ptr(), length) };
    names
        .into_iter()
        .map(|module| {
            // SAFETY: a live plugin, and a name of its own.
            let instance = unsafe { ffi::WasmEdge_PluginCreateModule(plugin, module) };
            if instance.is_null() { Err(refused(format!("it makes no module {}", text(module)))) } else { Ok(Host(instance)) }
        })
        .collect()
}
