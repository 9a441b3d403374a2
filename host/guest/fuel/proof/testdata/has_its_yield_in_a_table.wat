;; A module that has its yield in a table.
(module
  (import "ichor_fuel" "yield" (func $yield))
  (global $fuel (export "ichor_fuel") (mut i64) (i64.const 0))
  (table 1 1 funcref)
  (elem (i32.const 0) $yield)
)
