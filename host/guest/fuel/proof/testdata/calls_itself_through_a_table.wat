;; A module that calls itself through a table.
(module
  (import "ichor_fuel" "yield" (func $yield))
  (global $fuel (export "ichor_fuel") (mut i64) (i64.const 0))
  (type $t (func))
  (table 1 1 funcref)
  (elem (i32.const 0) $f)
  (func $f (local $l i64) (global.set $fuel (i64.sub (global.get $fuel) (i64.const 40))) (call_indirect (type $t) (i32.const 0)))
)
