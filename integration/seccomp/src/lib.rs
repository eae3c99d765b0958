//! What the test of the seccomp compiler is made of: libseccomp driven as runc drives it, a machine that runs filters,
//! profiles, and the questions to put to them.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

pub mod generate;
#[path = "../../../crates/plan/src/seccomp/machine.rs"]
pub mod machine;
pub mod oracle;
pub mod profiles;
pub mod questions;
pub mod reference;
pub mod shrink;
