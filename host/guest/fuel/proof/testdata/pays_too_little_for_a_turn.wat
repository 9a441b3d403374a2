;; A module that pays too little for a turn.
(module
  (import "ichor_fuel" "yield" (func $yield))
  (global $fuel (export "ichor_fuel") (mut i64) (i64.const 0))
  (func (local $l i64) loop global.get $fuel i64.const 3 i64.sub local.tee $l global.set $fuel local.get $l i64.const 0 i64.ge_s if else call $yield end nop nop nop br 0 end)
)
