//! The cgroup hierarchy that a test shows to the runtime, in a mount namespace of the test's own.

use crate::{Context, Error};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, statfs};
use std::fmt;

const CGROUP: &str = "/sys/fs/cgroup";

/// Which cgroup version the runtime sees at `/sys/fs/cgroup`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// The machine's version 1 hierarchies (hybrid included).
    V1,
    /// A cgroup2 mount, with the controllers that version 1 left over.
    V2,
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            View::V1 => "v1",
            View::V2 => "v2",
        })
    }
}

impl std::str::FromStr for View {
    type Err = Error;
    fn from_str(text: &str) -> Result<View, Error> {
        match text {
            "v1" => Ok(View::V1),
            "v2" => Ok(View::V2),
            other => Err(format!("unknown cgroup view {other:?}: v1 or v2").into()),
        }
    }
}

impl View {
    /// Whether this machine can show the view: version 1 cannot be had where version 2 owns the controllers.
    pub fn is_available(self) -> bool {
        self == View::V2 || statfs(CGROUP).is_ok_and(|fs| fs.filesystem_type() != CGROUP2_SUPER_MAGIC)
    }

    /// Moves this process (single-threaded) into a private mount namespace with the view in place.
    pub fn enter(self) -> Result<(), Error> {
        let none: Option<&str> = None;
        unshare(CloneFlags::CLONE_NEWNS).context(|| "unshare the mount namespace (needs root)".into())?;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).context(|| "make / private".into())?;
        if self == View::V2 {
            mount(Some("none"), CGROUP, Some("cgroup2"), MsFlags::empty(), none)
                .context(|| format!("mount cgroup2 on {CGROUP}"))?;
        }
        Ok(())
    }
}
