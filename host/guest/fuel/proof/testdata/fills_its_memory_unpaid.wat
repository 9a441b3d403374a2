;; A module that fills its memory unpaid.
(module
  (import "ichor_fuel" "yield" (func $yield))
  (global $fuel (export "ichor_fuel") (mut i64) (i64.const 0))
  (memory 1)
  (func (local $l i64) (global.set $fuel (i64.sub (global.get $fuel) (i64.const 100))) (memory.fill (i32.const 0) (i32.const 0) (i32.const 9)))
)
