//! From a bundle to a plan: reading config.json, checking it, deciding everything before the clone.
//!
//! Parent side only. [`Bundle::open`] reads, [`resolve`] decides; nothing here changes the host, and only
//! [`Bundle::open`] looks at it.

mod bundle;
mod capabilities;
mod cgroup_mount;
mod checks;
mod devices;
mod error;
mod facts;
mod handler;
mod mount_options;
mod mounts;
mod namespaces;
mod options;
mod plan;
mod process;
mod repair;
mod resolve;
mod resources;
mod sysctl;
mod unsupported;

#[cfg(test)]
mod fixtures;

pub use bundle::Bundle;
pub use capabilities::capability_names;
pub use error::Error;
pub use facts::{CgroupFacts, Hierarchy, HostFacts};
pub use mount_options::mount_option_names;
pub use options::{CgroupManager, Options};
pub use plan::*;
pub use resolve::resolve;
