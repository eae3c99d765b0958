//! From a bundle to a plan: reading config.json, checking it, deciding everything before the clone.
//!
//! Parent side only. [`Bundle::open`] and [`Settings::load`] read, [`resolve`] decides; nothing here changes the host, and only
//! those two look at it.

mod bundle;
mod capabilities;
mod cgroup_mount;
mod checks;
mod devices;
mod error;
mod exec;
mod facts;
mod handler;
mod hooks;
mod mount_options;
mod mounts;
mod namespaces;
mod options;
mod plan;
mod process;
mod repair;
mod resolve;
mod resources;
mod seccomp;
mod settings;
mod sysctl;
mod unsupported;
mod wasm;

#[cfg(test)]
mod fixtures;

pub use bundle::Bundle;
pub use capabilities::capability_names;
pub use error::Error;
pub use exec::ExecBase;
pub use facts::{CgroupFacts, Hierarchy, HostFacts, Needs};
pub use hooks::{Hook, HookKind, Hooks};
pub use mount_options::mount_option_names;
pub use oci_spec::runtime::LinuxResources;
pub use options::{CgroupManager, Options};
pub use plan::*;
pub use resolve::resolve;
pub(crate) use resolve::resolve_exec;
pub use resources::{read_resources, update};
pub use seccomp::{
    SECCOMP_ACTIONS, Seccomp, SeccompAction, SeccompCondition, SeccompOperator, SeccompOutcome, SeccompRange, SeccompRule,
    SeccompTable, seccomp,
};
pub use settings::{Settings, is_roots};
pub use wasm::{ANNOTATIONS, Allowed, Ceiling, Compile, Names, Preopen, Profile, WasmPlan, memory_for_guest};
