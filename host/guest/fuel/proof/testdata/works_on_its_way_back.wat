;; A module that works on its way back.
(module
  (import "ichor_fuel" "yield" (func $yield))
  (global $fuel (export "ichor_fuel") (mut i64) (i64.const 0))
  (func $f (local $l i64) global.get $fuel i64.const 40 i64.sub local.tee $l global.set $fuel local.get $l i64.const 0 i64.ge_s if else call $yield end call $f nop)
)
