;; Shows: three memories (the multi-memory proposal), each of which is a reservation of its own for the engine.
;; The code is 3 when all of them have their pages.
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory $first (export "memory") 1)
  (memory $second 1)
  (memory $third 1)
  (func (export "_start")
    (call $proc_exit (i32.add (i32.add (memory.size $first) (memory.size $second)) (memory.size $third)))))
