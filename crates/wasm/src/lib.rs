//! WebAssembly handler; not in this build yet.
