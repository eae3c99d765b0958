//! The WebAssembly engine: tells what a file is, loads a module into WasmEdge, runs it, and reports how it ended. Runs in init.
//!
//! ```text
//! classify(first bytes) -> Kind
//! Loaded::new(module, compiled, &Limits, &World) -> all that can fail, before Ready
//! Loaded::run(self) -> Outcome, with whose code the caller exits
//! ```
//! The process that loads a module runs it once and ends: nothing of the engine's is freed. It is single-threaded throughout.
//! Only `handler`, `given`, `hide`, `program`, `runtime` and `bundle` know of containers: namespaces, credentials, limits and
//! descriptors are set when the rest is called.
// The engine has a C interface, and its faults arrive as signals.
#![allow(unsafe_code)]

mod bundle;
pub mod cache;
pub mod compile;
mod dwarf;
mod engine;
mod entry;
mod fault;
mod filter;
mod given;
mod handler;
mod heap;
mod hide;
mod imports;
mod kind;
mod limits;
mod loaded;
mod log;
mod logging;
mod names;
pub mod plugin;
mod program;
mod refusal;
mod report;
mod runtime;
mod shape;
mod signals;
mod sockets;
mod walls;
mod wasi;

pub use engine::version;
pub use kind::{Kind, classify};
pub use limits::Limits;
pub use loaded::{Compiled, Loaded, Outcome};
pub use refusal::Refusal;
pub use runtime::WasmEdge;
pub use walls::{WallError, Walls, has_landlock};
pub use wasi::{Preopen, World};
