;; A module that fills a table for too little.
(module
  (import "ichor_fuel" "yield" (func $yield))
  (global $fuel (export "ichor_fuel") (mut i64) (i64.const 0))
  (table 1 1 funcref)
  (func (local $l i64) (local $n i32) (global.set $fuel (i64.sub (global.get $fuel) (i64.const 100))) i32.const 0 ref.null func i32.const 1 local.tee $n global.get $fuel local.get $n i64.extend_i32_u i64.const 31 i64.mul i64.sub local.tee $l global.set $fuel local.get $l i64.const 0 i64.ge_s if else call $yield end table.fill 0)
)
