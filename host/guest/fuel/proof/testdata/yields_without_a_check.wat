;; A module that yields without a check.
(module
  (import "ichor_fuel" "yield" (func $yield))
  (global $fuel (export "ichor_fuel") (mut i64) (i64.const 0))
  (func (call $yield))
)
