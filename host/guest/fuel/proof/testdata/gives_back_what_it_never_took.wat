;; A module that gives itself more than its loop was charged, each time that it yields.
(module
  (import "ichor_fuel" "yield" (func $yield))
  (global $fuel (export "ichor_fuel") (mut i64) (i64.const 0))
  (func (local $l i64)
    loop global.get $fuel i64.const 30 i64.sub local.tee $l global.set $fuel local.get $l i64.const 0 i64.ge_s if else call $yield global.get $fuel i64.const 31 i64.add global.set $fuel br 1 end br 0 end))
