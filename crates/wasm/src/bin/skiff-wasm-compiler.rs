//! `skiff-wasm-compiler`: compiles one module, by descriptors (`skiff_wasm::compile::worker`). Only skiff calls it, with the real
//! LLVM: `compiler/ld.so --inhibit-rpath "" --library-path compiler skiff-wasm-compiler LEVEL`.

fn main() {
    let level = std::env::args().nth(1).and_then(|level| level.parse().ok());
    std::process::exit(level.map_or(2, skiff_wasm::compile::worker::main));
}
