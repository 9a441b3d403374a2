;; A module that calls itself without a check.
(module
  (import "ichor_fuel" "yield" (func $yield))
  (global $fuel (export "ichor_fuel") (mut i64) (i64.const 0))
  (func $f (local $l i64) (global.set $fuel (i64.sub (global.get $fuel) (i64.const 20))) (call $f))
)
