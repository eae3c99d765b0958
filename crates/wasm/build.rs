//! Links the binary and the tests to the engine's prefix: its libraries, its libc, its program interpreter.
//! `integration/engine/cargo` says where it lies.

use std::path::Path;

/// A shared library's symbols go after a program's, if the program's are to be seen: `sigaction` and `operator new` are ours.
const OURS: [&str; 2] = ["sigaction", "_Znwm"];

fn main() {
    println!("cargo:rerun-if-env-changed=SKIFF_ENGINE");
    println!("cargo:rerun-if-env-changed=SKIFF_ENGINE_RUN");
    println!("cargo:rerun-if-env-changed=SKIFF_ENGINE_STATIC");
    println!("cargo:rustc-env=SKIFF_ENGINE_VERSION={}", version().unwrap_or_else(|| "unknown".into()));
    if std::env::var_os("SKIFF_ENGINE_STATIC").is_some() {
        println!("cargo:rustc-env=SKIFF_ENGINE_AT=");
        return;
    }
    let Ok(prefix) = std::env::var("SKIFF_ENGINE") else {
        println!("cargo:error=skiff-wasm is built by integration/engine/cargo, after integration/engine/build");
        return;
    };
    println!("cargo:rerun-if-changed={prefix}/stamp");
    let run = std::env::var("SKIFF_ENGINE_RUN").unwrap_or_else(|_| prefix.clone());
    println!("cargo:rustc-env=SKIFF_ENGINE_AT={run}");
    // Not by RUSTFLAGS: they would reach proc macros, which live in the host's libc.
    if Path::new(&prefix).join("lib/ld.so").exists() {
        link(&format!("--dynamic-linker={run}/lib/ld.so"));
        // The libraries want newer versions of libc's symbols than the libc of the build machine has.
        link("--allow-shlib-undefined");
    }
    link(&format!("-rpath,{run}/lib"));
    // RPATH holds for the libraries' libraries too, RUNPATH does not.
    link("--disable-new-dtags");
    for symbol in OURS {
        link(&format!("--export-dynamic-symbol={symbol}"));
    }
    for stub in stubs(&prefix) {
        // Named first, so that a system's libwasmedge gets the stub and not the real LLVM.
        link("--no-as-needed");
        println!("cargo:rustc-link-arg={stub}");
    }
}

/// Of the headers that the bindings are made from.
fn version() -> Option<String> {
    let header = format!("{}/wasmedge/version.h", std::env::var("WASMEDGE_INCLUDE_DIR").ok()?);
    println!("cargo:rerun-if-changed={header}");
    let text = std::fs::read_to_string(header).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("#define WASMEDGE_VERSION \""))?;
    line.strip_suffix('"').map(str::to_owned)
}

fn link(argument: &str) {
    println!("cargo:rustc-link-arg=-Wl,{argument}");
}

fn stubs(prefix: &str) -> Vec<String> {
    let entries = std::fs::read_dir(format!("{prefix}/lib")).into_iter().flatten().flatten();
    entries.map(|entry| entry.path().display().to_string()).filter(|path| path.contains("/libLLVM")).collect()
}
