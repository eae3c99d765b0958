;; Shows: the imports of WASI before preview 1, as compilers of 2019 wrote them.
(module
  (import "wasi_unstable" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")))
