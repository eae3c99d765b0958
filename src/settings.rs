//! Which files of settings count: the administrator's, and one of a user without root.

use crate::root;
use nix::unistd::AccessFlags;
use skiff_plan::Settings;
use std::env;
use std::path::PathBuf;

/// The settings for whoever calls.
pub(crate) fn load() -> anyhow::Result<Settings> {
    // Root is asked last: that may take a look into /proc.
    let there = |file: &PathBuf| nix::unistd::access(file, AccessFlags::F_OK).is_ok();
    let user = users_file().filter(|file| there(file) && !root::is_real_root());
    Ok(Settings::load(user.as_deref())?)
}

/// As the XDG base directory specification says, which has relative paths ignored.
fn users_file() -> Option<PathBuf> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let config = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")))?;
    Some(config.join("skiff/skiff.toml"))
}
