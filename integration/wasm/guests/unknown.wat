;; Shows: imports that nobody has, a function and a global of a module of its own and a function beside the known ones of WASI.
(module
  (import "env" "teleport" (func (param i32 i32) (result i32)))
  (import "env" "distance" (global i32))
  (import "wasi_snapshot_preview1" "path_teleport" (func (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func (param i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")))
