;; Shows: a module that is well-formed and not valid: an i64 where an i32 belongs. Built without wabt's own check.
(module
  (memory (export "memory") 1)
  (func (export "_start")
    (i32.store (i64.const 0) (i32.const 0))))
