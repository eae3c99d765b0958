//! What a later `exec` needs of config.json: kept in the state record, since nobody reads config.json again. Parent side.

use oci_spec::runtime::{LinuxPersonality, LinuxSeccomp, Process, Spec};
use serde::{Deserialize, Serialize};

use crate::{Error, HandlerKind, HostFacts, WasmPlan};

/// The parts of config.json that a further process of the container starts from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecBase {
    /// `process`: what `exec` without `--process` takes its user, environment, directory, capabilities and limits from.
    pub process: Process,
    /// `linux.seccomp`, which holds for every process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seccomp: Option<LinuxSeccomp>,
    /// `linux.personality`, which holds for every process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub personality: Option<LinuxPersonality>,
    /// How a module runs here, if the container's own process is or may be one; never strict, since probes and shells are native.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wasm: Option<WasmPlan>,
}

impl ExecBase {
    pub(crate) fn of(spec: &Spec, wasm: Option<&WasmPlan>) -> ExecBase {
        let linux = spec.linux().as_ref();
        ExecBase {
            process: spec.process().clone().unwrap_or_default(),
            seccomp: linux.and_then(|linux| linux.seccomp().clone()),
            personality: linux.and_then(|linux| linux.personality().clone()),
            wasm: wasm.map(|wasm| WasmPlan { strict: false, ..wasm.clone() }),
        }
    }

    /// Who runs a further process: in a container of a module, or what may be one, only the file can tell.
    #[must_use]
    pub fn handler(&self) -> HandlerKind {
        if self.wasm.is_some() { HandlerKind::Maybe } else { HandlerKind::Native }
    }

    /// As the state record keeps it.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads [`ExecBase::text`].
    ///
    /// # Errors
    /// The record was written by something else.
    pub fn read(text: &str) -> Result<ExecBase, Error> {
        serde_json::from_str(text).map_err(|error| Error::invalid("state record: exec", error.to_string()))
    }

    /// Decides about a further process; see [`crate::resolve_exec`].
    ///
    /// # Errors
    /// As [`crate::resolve_exec`].
    pub fn resolve(
        &self,
        process: &Process,
        user_namespace: bool,
        facts: &HostFacts,
    ) -> Result<(crate::Process, Vec<String>), Error> {
        crate::resolve_exec(process, self.seccomp.as_ref(), self.personality.as_ref(), user_namespace, facts)
    }
}
