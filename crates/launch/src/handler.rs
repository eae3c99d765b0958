//! The seam between a container and what runs in it. Everything before it is the same for a native process and for a
//! WebAssembly module.

use crate::native::Native;
use crate::steps::Fault;
use skiff_plan::{HandlerKind, Process};
use std::os::fd::OwnedFd;

/// Runs the container's process. Used in init only.
pub(crate) trait Handler {
    /// Gets everything ready that can fail, as the container's user, in its namespaces; a failure fails `create`.
    fn prepare(&mut self, process: &Process) -> Result<(), Fault>;

    /// Becomes the process: takes the start byte out of the FIFO, if there is one, as late as it can, and never comes back.
    fn run(&mut self, process: &Process, fifo: Option<&OwnedFd>) -> !;
}

/// The handler of a plan.
pub(crate) fn handler(kind: HandlerKind) -> Option<Box<dyn Handler>> {
    match kind {
        HandlerKind::Native => Some(Box::new(Native::default())),
        HandlerKind::Wasm | HandlerKind::Maybe => None,
    }
}
