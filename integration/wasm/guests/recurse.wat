;; Shows: recursion without end, on the engine's stack and not on C's: it uses no linear memory.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 8) "\10\00\00\00\0a\00\00\00recursing\n")
  ;; The stores before and after the call keep a compiler from making a loop of it.
  (func $deeper (param $depth i32)
    (i32.store (i32.const 64) (local.get $depth))
    (call $deeper (i32.add (local.get $depth) (i32.const 1)))
    (i32.store (i32.const 68) (local.get $depth)))
  (func $begin
    (call $deeper (i32.const 0)))
  (func (export "_start")
    (drop (call $fd_write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 4)))
    (call $begin)))
