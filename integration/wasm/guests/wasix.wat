;; Shows: the imports by which a WASIX program is known.
(module
  (import "wasix_32v1" "thread_spawn_v2" (func (param i32 i32) (result i32)))
  (import "wasix_32v1" "proc_fork" (func (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func (param i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")))
