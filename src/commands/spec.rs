//! `skiff spec`: writes an example config.json, runc's byte for byte except for a newer `ociVersion`.

use anyhow::{Context as _, bail};
use nix::unistd::{getegid, geteuid};
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

const SPEC: &str = include_str!("../spec.json");
const ROOTLESS: &str = include_str!("../spec-rootless.json");

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to write it
    #[arg(short, long, default_value = ".", value_name = "DIR", hide_default_value = true)]
    bundle: PathBuf,
    /// For a user without root
    #[arg(long)]
    rootless: bool,
}

/// An existing config.json is never overwritten.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let path = args.bundle.join("config.json");
    let mut file = match OpenOptions::new().write(true).create_new(true).open(&path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => bail!("file {} exists, remove it first", path.display()),
        other => other.with_context(|| format!("create {}", path.display()))?,
    };
    let text = if args.rootless { rootless(geteuid().as_raw(), getegid().as_raw()) } else { SPEC.to_owned() };
    file.write_all(text.as_bytes()).with_context(|| format!("write {}", path.display()))
}

/// The one user and group that everybody may map: oneself.
fn rootless(uid: u32, gid: u32) -> String {
    let id = |id: u32| format!("\"hostID\": {id},");
    ROOTLESS.replacen(&id(0), "\"hostID\": UID,", 1).replacen(&id(0), &id(gid), 1).replacen("\"hostID\": UID,", &id(uid), 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::version;

    fn runc(text: &str) -> String {
        text.replacen(r#""ociVersion": "1.2.1""#, &format!(r#""ociVersion": "{}""#, version::SPEC), 1)
    }

    #[test]
    fn as_runc_writes_them() {
        assert_eq!(SPEC, runc(include_str!("../../tests/fixtures/runc/spec.json")));
        assert_eq!(ROOTLESS, runc(include_str!("../../tests/fixtures/runc/spec-rootless.json")));
    }

    #[test]
    fn rootless_maps_the_caller() {
        assert_eq!(rootless(0, 0), ROOTLESS);
        let spec: oci_spec::runtime::Spec = serde_json::from_str(&rootless(1000, 100)).unwrap();
        let linux = spec.linux().clone().unwrap();
        assert_eq!(linux.uid_mappings().as_ref().unwrap()[0].host_id(), 1000);
        assert_eq!(linux.gid_mappings().as_ref().unwrap()[0].host_id(), 100);
    }

    #[test]
    fn both_are_valid() {
        for text in [SPEC, ROOTLESS] {
            serde_json::from_str::<oci_spec::runtime::Spec>(text).unwrap();
        }
    }
}
