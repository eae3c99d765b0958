//! Who runs the process: the kernel, or a WebAssembly engine. Decided from annotations. Parent side.

use std::collections::HashMap;

use oci_spec::runtime::Spec;

use crate::{Error, HandlerKind};

/// Both CRI runtimes say which of a pod's containers is the sandbox, each in its own words.
const SANDBOX: [(&str, &str); 2] =
    [("io.kubernetes.cri.container-type", "sandbox"), ("io.kubernetes.cri-o.ContainerType", "sandbox")];

const HANDLER: &str = "run.oci.handler";
const VARIANT: &str = "module.wasm.image/variant";

/// The handler of `spec`. There is no engine in this build, so whatever would need one is refused.
pub(crate) fn resolve(spec: &Spec) -> Result<HandlerKind, Error> {
    let empty = HashMap::new();
    let annotations = spec.annotations().as_ref().unwrap_or(&empty);
    let value = |key: &str| annotations.get(key).map(String::as_str).filter(|value| !value.is_empty());
    // a pod-wide annotation reaches the sandbox too, which is always native
    if SANDBOX.iter().any(|(key, sandbox)| value(key) == Some(sandbox)) {
        return Ok(HandlerKind::Native);
    }
    match (value(HANDLER), value(VARIANT)) {
        (Some("wasm-smart"), _) if !names_module(spec) => Ok(HandlerKind::Native),
        (Some(handler), _) => Err(refusal(HANDLER, handler)),
        (None, Some("compat-smart")) if !names_module(spec) => Ok(HandlerKind::Native),
        (None, Some(variant @ ("compat" | "compat-smart"))) => Err(refusal(VARIANT, variant)),
        (None, _) => Ok(HandlerKind::Native),
    }
}

fn refusal(key: &str, value: &str) -> Error {
    Error::unsupported(format!("annotations: {key}={value}"))
}

/// Whether the command is a module by its name, which is what the smart annotations go by.
fn names_module(spec: &Spec) -> bool {
    let command = spec.process().as_ref().and_then(|process| process.args().as_ref()?.first());
    command.is_some_and(|command| command.ends_with(".wasm") || command.ends_with(".wat"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn the_table() {
        let refused = |what: &str| Err(format!("config.json: annotations: {what}: not supported yet"));
        let native = || Ok(HandlerKind::Native);
        for (command, annotations, expected) in [
            ("sh", &[][..], native()),
            ("/a.wasm", &[], native()),
            ("sh", &[("other", "x"), ("org.systemd.property.X", "1")], native()),
            ("sh", &[(HANDLER, "wasm")], refused("run.oci.handler=wasm")),
            ("sh", &[(HANDLER, "krun")], refused("run.oci.handler=krun")),
            ("sh", &[(HANDLER, "")], native()),
            ("sh", &[(HANDLER, "wasm-smart")], native()),
            ("/a.wat", &[(HANDLER, "wasm-smart")], refused("run.oci.handler=wasm-smart")),
            ("sh", &[(VARIANT, "compat")], refused("module.wasm.image/variant=compat")),
            ("sh", &[(VARIANT, "compat-smart")], native()),
            ("/a.wasm", &[(VARIANT, "compat-smart")], refused("module.wasm.image/variant=compat-smart")),
            ("/a.wasm", &[(VARIANT, "other")], native()),
            ("/a.wasm", &[(VARIANT, "")], native()),
            ("sh", &[(HANDLER, "wasm-smart"), (VARIANT, "compat")], native()),
            ("/pause", &[(VARIANT, "compat"), ("io.kubernetes.cri.container-type", "sandbox")], native()),
            ("/pause", &[(HANDLER, "wasm"), ("io.kubernetes.cri-o.ContainerType", "sandbox")], native()),
            (
                "x",
                &[(VARIANT, "compat"), ("io.kubernetes.cri.container-type", "container")],
                refused("module.wasm.image/variant=compat"),
            ),
        ] {
            let annotations: HashMap<_, _> = annotations.iter().copied().collect();
            let json = serde_json::json!({"process": {"user": {}, "cwd": "/", "args": [command]}, "annotations": annotations});
            let spec: Spec = serde_json::from_value(json).unwrap();
            assert_eq!(resolve(&spec).map_err(|error| error.to_string()), expected, "{command} {annotations:?}");
        }
    }
}
