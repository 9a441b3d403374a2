;; A module that reads its fuel.
(module
  (import "ichor_fuel" "yield" (func $yield))
  (global $fuel (export "ichor_fuel") (mut i64) (i64.const 0))
  (func (drop (global.get $fuel)))
)
