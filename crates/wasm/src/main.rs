//! `skiff-wasm`: the runtime with the WebAssembly engine.

fn main() {}
