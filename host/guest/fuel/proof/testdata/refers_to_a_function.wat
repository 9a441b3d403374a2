;; A module that refers to a function.
(module
  (import "ichor_fuel" "yield" (func $yield))
  (global $fuel (export "ichor_fuel") (mut i64) (i64.const 0))
  (func $f (export "f") (local $l i64) (global.set $fuel (i64.sub (global.get $fuel) (i64.const 100))) (drop (ref.func $f)))
)
