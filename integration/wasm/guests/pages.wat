;; Shows: the initial memory. `build` writes other sizes in place of the 1: pages-1, pages-1024 (64 MiB), pages-65536 (4 GiB).
;; The code is the number of pages found, in units of 1024: an engine that cuts the memory instead of refusing is found out.
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (call $proc_exit (i32.div_u (memory.size) (i32.const 1024)))))
