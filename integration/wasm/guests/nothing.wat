;; Shows: a module without `_start` and without `_initialize`: there is nothing to run.
(module
  (memory (export "memory") 1)
  (func (export "other")))
