;; A module that adds to its fuel.
(module
  (import "ichor_fuel" "yield" (func $yield))
  (global $fuel (export "ichor_fuel") (mut i64) (i64.const 0))
  (func (global.set $fuel (i64.sub (global.get $fuel) (i64.const -5))))
)
