//! The imports of a module against what is offered, before the engine links them: it stops at the first that is missing.

use crate::engine::Host;
use crate::refusal::Refusal;
use crate::shape::{Import, Shape};
use wasmedge_sys::ffi;
use wasmparser::{FuncType, ValType};

/// Every import is a function that one of the hosts has, of the same type.
pub(crate) fn check(shape: &Shape, hosts: &[Host]) -> Result<(), Refusal> {
    let (mut unknown, mut mistyped) = (Vec::new(), Vec::new());
    let hosts: Vec<_> = hosts.iter().map(|host| (host.name(), host)).collect();
    for import in &shape.imports {
        let offered =
            |name: &str| hosts.iter().filter(|(module, _)| *module == import.module).find_map(|(_, host)| host.function(name));
        // The engine links the second form of a socket function where the first has other parameters: WASI's own sock_accept.
        let second = |wanted| offered(&format!("{}_v2", import.name)).is_some_and(|found| is_same(wanted, found));
        match (&import.function, offered(&import.name)) {
            (Some(wanted), Some(found)) if !is_same(wanted, found) && !second(wanted) => mistyped.push(import),
            (Some(_), Some(_)) => {}
            _ => unknown.push(import),
        }
    }
    if !unknown.is_empty() {
        let hint = unknown.iter().find_map(|import| hint(import));
        return Err(Refusal::UnknownImports { names: names(&unknown), hint });
    }
    if mistyped.is_empty() { Ok(()) } else { Err(Refusal::MistypedImports(names(&mistyped))) }
}

fn names(imports: &[&Import]) -> Vec<String> {
    imports.iter().map(|import| format!("{}.{}", import.module, import.name)).collect()
}

/// What the module was probably built for, and what to do.
fn hint(import: &Import) -> Option<&'static str> {
    let module = import.module.as_str();
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| module.starts_with(prefix));
    Some(match module {
        "wasi_unstable" => "WASI preview 0: build it with a newer compiler, for wasm32-wasip1",
        "wasi_nn" | "wasi_ephemeral_nn" | "wasmedge_process" | "wasmedge_stablediffusion" => {
            "an extension of WasmEdge: name its plugin in the annotation org.skiff.wasm.plugins"
        }
        "wasi" if import.name == "thread-spawn" => "wasi-threads: the engine has none",
        "wbg" | "env" | "gojs" | "go" | "a" => "built for a browser or another embedder: build it for wasm32-wasip1",
        _ if starts(&["wasix_"]) => "WASIX: it runs in Wasmer only; build it for wasm32-wasip1",
        _ if starts(&["fermyon:", "spin-", "spin_", "outbound-"]) => "a Spin application: it needs Spin's own shim",
        _ if starts(&["wasi:"]) => "WASI 0.2: build it for wasm32-wasip1",
        _ if starts(&["wasi_crypto", "wasi_ephemeral_crypto"]) => {
            "an extension of WasmEdge: name its plugin in the annotation org.skiff.wasm.plugins"
        }
        _ if starts(&["./", "__wbindgen"]) => "built for a browser: build it for wasm32-wasip1",
        _ => return None,
    })
}

fn is_same(wanted: &FuncType, found: *const ffi::WasmEdge_FunctionTypeContext) -> bool {
    let (parameters, results) = types(found);
    equal(wanted.params(), &parameters) && equal(wanted.results(), &results)
}

fn types(function: *const ffi::WasmEdge_FunctionTypeContext) -> (Vec<ffi::WasmEdge_ValType>, Vec<ffi::WasmEdge_ValType>) {
    let none = ffi::WasmEdge_ValType { Data: [0; 8] };
    // SAFETY: a live type.
    let mut parameters = vec![none; unsafe { ffi::WasmEdge_FunctionTypeGetParametersLength(function) } as usize];
    // SAFETY: a live type, and room for as many as are asked for.
    unsafe { ffi::WasmEdge_FunctionTypeGetParameters(function, parameters.as_mut_ptr(), parameters.len() as u32) };
    // SAFETY: a live type.
    let mut results = vec![none; unsafe { ffi::WasmEdge_FunctionTypeGetReturnsLength(function) } as usize];
    // SAFETY: a live type, and room for as many as are asked for.
    unsafe { ffi::WasmEdge_FunctionTypeGetReturns(function, results.as_mut_ptr(), results.len() as u32) };
    (parameters, results)
}

fn equal(wanted: &[ValType], found: &[ffi::WasmEdge_ValType]) -> bool {
    wanted.len() == found.len() && wanted.iter().zip(found).all(|(wanted, found)| is_equal(*wanted, *found))
}

/// Numbers only; a host function that takes references is let through, and the engine looks at it itself.
fn is_equal(wanted: ValType, found: ffi::WasmEdge_ValType) -> bool {
    let make = match wanted {
        ValType::I32 => ffi::WasmEdge_ValTypeGenI32,
        ValType::I64 => ffi::WasmEdge_ValTypeGenI64,
        ValType::F32 => ffi::WasmEdge_ValTypeGenF32,
        ValType::F64 => ffi::WasmEdge_ValTypeGenF64,
        ValType::V128 | ValType::Ref(_) => return true,
    };
    // SAFETY: makes a value.
    let same = unsafe { make() };
    // SAFETY: takes two values, compares them.
    unsafe { ffi::WasmEdge_ValTypeIsEqual(same, found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_know_where_a_module_comes_from() {
        let hint = |module: &str| hint(&Import { module: module.into(), name: "x".into(), function: None });
        assert!(hint("wasix_32v1").unwrap().starts_with("WASIX"));
        assert!(hint("fermyon:spin/key-value@2.0.0").unwrap().contains("Spin"));
        assert!(hint("wasi:cli/environment@0.2.0").unwrap().starts_with("WASI 0.2"));
        assert!(hint("wasi_unstable").unwrap().contains("preview 0"));
        assert_eq!(hint("mine"), None);
    }
}
