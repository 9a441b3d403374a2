;; A module that loops with a charge alone.
(module
  (import "ichor_fuel" "yield" (func $yield))
  (global $fuel (export "ichor_fuel") (mut i64) (i64.const 0))
  (func (local $l i64) (loop (global.set $fuel (i64.sub (global.get $fuel) (i64.const 5))) (br 0)))
)
