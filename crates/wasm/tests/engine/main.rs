//! The engine on the host, without a container: modules in, exit codes and words out. Each run is a process of its own.
// The defects are shown on the engine's C interface as it is.
#![allow(unsafe_code, clippy::unwrap_used)]

mod common;
mod defects;
mod exits;
mod limits;
mod raw;
mod refusals;
mod traps;
mod walls;
mod world;
