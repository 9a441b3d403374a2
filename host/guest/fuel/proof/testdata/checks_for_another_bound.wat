;; A module that checks for another bound.
(module
  (import "ichor_fuel" "yield" (func $yield))
  (global $fuel (export "ichor_fuel") (mut i64) (i64.const 0))
  (func (local $l i64) global.get $fuel i64.const 5 i64.sub local.tee $l global.set $fuel local.get $l i64.const -9 i64.ge_s if else call $yield end)
)
