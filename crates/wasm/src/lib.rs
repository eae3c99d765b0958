//! The WebAssembly engine: loads a module in WasmEdge and runs it. Runs in init.
