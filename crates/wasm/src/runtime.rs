//! What this build adds to the runtime: an engine for containers, a version, and the commands about compiled code. Parent side.

use crate::handler::Module;
use skiff_launch::{Engine, Handler};
use skiff_plan::{HandlerKind, Settings, WasmPlan};
use std::os::fd::OwnedFd;

/// WasmEdge, for [`skiff::main`].
#[derive(Debug)]
pub struct WasmEdge;

impl skiff::Wasm for WasmEdge {
    fn version(&self) -> String {
        format!("WasmEdge {}", crate::version())
    }

    fn engine<'a>(&self, plan: &'a WasmPlan, settings: &'a Settings) -> Box<dyn Engine + 'a> {
        Box::new(ForContainer { plan, settings })
    }

    fn command(&self, command: &skiff::WasmCommand, settings: &Settings) -> anyhow::Result<()> {
        let _ = (command, settings);
        anyhow::bail!("not there yet")
    }
}

/// The engine of one container.
#[derive(Debug)]
struct ForContainer<'a> {
    plan: &'a WasmPlan,
    settings: &'a Settings,
}

impl Engine for ForContainer<'_> {
    fn handler(&self, _: HandlerKind) -> Box<dyn Handler + '_> {
        Box::new(Module::new(self.plan))
    }

    fn compiled(&self, digest: [u8; 32], module: OwnedFd) -> Option<OwnedFd> {
        let _ = (digest, module, self.settings);
        None
    }

    fn compile(&self) {}
}
