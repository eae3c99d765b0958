//! Whether a WebAssembly engine may run the process, decided from the name that the program was called by, annotations and
//! settings. Whether the file is a module only init can tell. Parent side, pure.

use std::collections::HashMap;

use crate::Error;

/// Both CRI runtimes say which of a pod's containers is the sandbox, each in its own words.
const SANDBOX: [(&str, &str); 2] =
    [("io.kubernetes.cri.container-type", "sandbox"), ("io.kubernetes.cri-o.ContainerType", "sandbox")];

const HANDLER: &str = "run.oci.handler";
const VARIANT: &str = "module.wasm.image/variant";

/// How far a module is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The kernel executes it.
    Native,
    /// It is a module; anything else is an error.
    Strict,
    /// A module if it is one.
    Smart,
    /// A module if it is one and the kernel would not take it.
    Sniffed,
}

/// A pod-wide annotation reaches the sandbox too, which is always native.
pub(crate) fn is_sandbox(annotations: &HashMap<String, String>) -> bool {
    SANDBOX.iter().any(|(key, sandbox)| value(annotations, key) == Some(sandbox))
}

/// The first that says something counts: the program's name (`called_wasm`: it ends in `-wasm`), crun's annotation, the image's
/// annotation, sniffing. Another variant than the two is no matter of ours.
///
/// # Errors
/// A handler that is not known: crun's `krun`, say, means a virtual machine, and a native process is less than was asked for.
pub(crate) fn mode(annotations: &HashMap<String, String>, called_wasm: bool, sniff: bool) -> Result<Mode, Error> {
    let handler = value(annotations, HANDLER).map(handler_mode).transpose()?;
    Ok(match (handler, value(annotations, VARIANT)) {
        _ if called_wasm => Mode::Smart,
        (Some(mode), _) => mode,
        (None, Some("compat")) => Mode::Strict,
        (None, Some("compat-smart")) => Mode::Smart,
        _ if sniff => Mode::Sniffed,
        _ => Mode::Native,
    })
}

fn handler_mode(handler: &str) -> Result<Mode, Error> {
    match handler {
        "wasm" | "wasmedge" => Ok(Mode::Strict),
        "wasm-smart" => Ok(Mode::Smart),
        other => {
            let why = format!("`{other}` is not known: there are wasm, wasmedge, wasm-smart");
            Err(Error::invalid(format!("annotation {HANDLER}"), why))
        }
    }
}

/// As in Go, where an empty text and a missing entry look the same.
fn value<'a>(annotations: &'a HashMap<String, String>, key: &str) -> Option<&'a str> {
    annotations.get(key).map(String::as_str).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn decide(annotations: &[(&str, &str)], called_wasm: bool, sniff: bool) -> Result<Mode, String> {
        let annotations = annotations.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        assert!(!is_sandbox(&annotations), "{annotations:?}");
        mode(&annotations, called_wasm, sniff).map_err(|error| error.to_string())
    }

    /// Each row under the plain name, with sniffing, and under a name that ends in `-wasm`.
    #[test]
    fn the_table() {
        use Mode::{Native, Smart, Sniffed, Strict};
        for (annotations, plain, sniffing, called) in [
            (&[][..], Native, Sniffed, Smart),
            (&[("other", "x"), ("org.systemd.property.X", "1")], Native, Sniffed, Smart),
            (&[(HANDLER, "")], Native, Sniffed, Smart),
            (&[(HANDLER, "wasm")], Strict, Strict, Smart),
            (&[(HANDLER, "wasmedge")], Strict, Strict, Smart),
            (&[(HANDLER, "wasm-smart")], Smart, Smart, Smart),
            (&[(VARIANT, "")], Native, Sniffed, Smart),
            (&[(VARIANT, "compat")], Strict, Strict, Smart),
            (&[(VARIANT, "compat-smart")], Smart, Smart, Smart),
            (&[(VARIANT, "other")], Native, Sniffed, Smart),
            (&[(HANDLER, "wasm-smart"), (VARIANT, "compat")], Smart, Smart, Smart),
            (&[(HANDLER, "wasm"), (VARIANT, "compat-smart")], Strict, Strict, Smart),
            (&[(HANDLER, ""), (VARIANT, "compat")], Strict, Strict, Smart),
            (&[("io.kubernetes.cri.container-type", "container"), (VARIANT, "compat")], Strict, Strict, Smart),
            (&[("io.kubernetes.cri-o.ContainerType", "container"), (HANDLER, "wasm-smart")], Smart, Smart, Smart),
        ] {
            assert_eq!(decide(annotations, false, false), Ok(plain), "{annotations:?}");
            assert_eq!(decide(annotations, false, true), Ok(sniffing), "{annotations:?}");
            assert_eq!(decide(annotations, true, false), Ok(called), "{annotations:?}");
            assert_eq!(decide(annotations, true, true), Ok(called), "{annotations:?}");
        }
    }

    #[test]
    fn unknown_handlers() {
        for handler in ["krun", "wasmtime", "wasmer", "wamr", "spin", "dotnet", "WASM", "wasm "] {
            let expected = format!(
                "config.json: annotation run.oci.handler: `{handler}` is not known: there are wasm, wasmedge, wasm-smart"
            );
            for called_wasm in [false, true] {
                let annotations = [(HANDLER, handler), (VARIANT, "compat")];
                assert_eq!(decide(&annotations, called_wasm, true), Err(expected.clone()));
            }
        }
    }

    #[test]
    fn sandboxes() {
        for (annotations, expected) in [
            (&[][..], false),
            (&[("io.kubernetes.cri.container-type", "sandbox")], true),
            (&[("io.kubernetes.cri-o.ContainerType", "sandbox")], true),
            (&[("io.kubernetes.cri.container-type", "container")], false),
            (&[("io.kubernetes.cri.container-type", "")], false),
            (&[("io.kubernetes.cri-o.containertype", "sandbox")], false),
            (&[("io.kubernetes.cri.container-type", "sandbox"), (HANDLER, "wasm")], true),
        ] {
            let map = annotations.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            assert_eq!(is_sandbox(&map), expected, "{annotations:?}");
        }
    }
}
