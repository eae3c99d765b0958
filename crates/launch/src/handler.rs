//! The seam between a container and what runs in it. Everything before it is the same for a native process and for a
//! WebAssembly module.

use crate::Error;
use crate::native::Native;
use crate::steps::Fault;
use skiff_plan::{HandlerKind, Process};
use std::fmt::Debug;
use std::os::fd::{BorrowedFd, OwnedFd};

const NO_ENGINE: &str = "the container is to run as WebAssembly, and this build has no engine: use the runtime skiff-wasm, \
    which docs/wasm.md says how to get";

/// Runs the container's process. Its methods are called in init, in this order.
pub trait Handler {
    /// While the host's root is still in reach and nothing of the container is: loads what lies on the host.
    ///
    /// # Errors
    /// Fails `create`.
    fn load(&mut self) -> Result<(), Fault> {
        Ok(())
    }

    /// In the container's namespaces and root, with stdio, descriptors and working directory in place, but still with all rights
    /// and without the container's seccomp profile: opens what the parent must be asked about.
    ///
    /// # Errors
    /// Fails `create`.
    fn find(&mut self, process: &Process, parent: &dyn Parent) -> Result<(), Fault> {
        let _ = (process, parent);
        Ok(())
    }

    /// Gets everything ready that can fail, as the container's user, under its seccomp profile.
    ///
    /// # Errors
    /// Fails `create`.
    fn prepare(&mut self, process: &Process) -> Result<(), Fault>;

    /// The process is executed: what the runtime has left in this one goes away with that.
    fn executes(&self) -> bool;

    /// Becomes the process: takes the start byte out of the FIFO, if there is one, as late as it can, and never comes back.
    fn run(&mut self, process: &Process, fifo: Option<OwnedFd>) -> !;
}

/// What init can ask the process that made it.
pub trait Parent {
    /// Compiled code for the module with this SHA-256, whose file is `module`; `None`: there is none yet.
    ///
    /// # Errors
    /// The parent is gone.
    fn compiled(&self, digest: [u8; 32], module: BorrowedFd<'_>) -> nix::Result<Option<OwnedFd>>;
}

/// What a build with a WebAssembly engine adds.
pub trait Engine: Debug {
    /// The handler of a module, or of a file that may be one. Called by the parent, before the clone.
    fn handler(&self, kind: HandlerKind) -> Box<dyn Handler + '_>;

    /// The answer to [`Parent::compiled`]; the parent keeps `module` in mind for [`Engine::compile`] where there is none.
    fn compiled(&self, digest: [u8; 32], module: OwnedFd) -> Option<OwnedFd>;

    /// Once the container is there: begins to compile what was missing, beside it, and returns at once.
    fn compile(&self);
}

/// The handler of a container.
///
/// # Errors
/// It needs an engine, and there is none.
pub(crate) fn handler(kind: HandlerKind, engine: Option<&dyn Engine>) -> Result<Box<dyn Handler + '_>, Error> {
    match (kind, engine) {
        (HandlerKind::Native, _) => Ok(Box::new(Native::default())),
        (HandlerKind::Wasm | HandlerKind::Maybe, Some(engine)) => Ok(engine.handler(kind)),
        // What is no module runs; what is one, execve refuses.
        (HandlerKind::Maybe, None) => Ok(Box::new(Native::default())),
        (HandlerKind::Wasm, None) => Err(Error::Status(NO_ENGINE.into())),
    }
}
