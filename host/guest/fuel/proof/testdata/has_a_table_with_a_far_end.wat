;; A module that has a table with a far end.
(module
  (import "ichor_fuel" "yield" (func $yield))
  (global $fuel (export "ichor_fuel") (mut i64) (i64.const 0))
  (table 1 1000000 funcref)
)
