;; A module that has its fuel under two names.
(module
  (import "ichor_fuel" "yield" (func $yield))
  (global $fuel (export "ichor_fuel") (mut i64) (i64.const 0))
  (export "x" (global $fuel))
)
