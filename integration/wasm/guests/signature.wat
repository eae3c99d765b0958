;; Shows: an import of WASI whose name is known and whose type is not.
(module
  (import "wasi_snapshot_preview1" "fd_close" (func (param i64 i64) (result i64)))
  (memory (export "memory") 1)
  (func (export "_start")))
