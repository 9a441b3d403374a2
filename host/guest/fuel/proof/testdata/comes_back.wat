;; A module that does all of this as it has to be.
(module
  (import "ichor_fuel" "yield" (func $yield))
  (global $fuel (export "ichor_fuel") (mut i64) (i64.const 0))
  (type $t (func))
  (memory 1)
  (table 1 65536 funcref)
  (elem (i32.const 0) $f $leaf)
  (func $leaf nop)
  (func $f (local $l i64) (local $n i32)
    global.get $fuel i64.const 400 i64.sub local.tee $l global.set $fuel local.get $l i64.const 0 i64.ge_s if else call $yield end
    call $leaf
    i32.const 0 call_indirect (type $t)
    global.get $fuel i64.const 400 i64.sub local.tee $l global.set $fuel local.get $l i64.const 0 i64.ge_s if else call $yield end
    i32.const 0 i32.const 0 i32.const 9 local.tee $n global.get $fuel local.get $n i64.extend_i32_u i64.const 1 i64.mul i64.sub local.tee $l global.set $fuel local.get $l i64.const 0 i64.ge_s if else call $yield end memory.fill
    loop global.get $fuel i64.const 30 i64.sub local.tee $l global.set $fuel local.get $l i64.const 0 i64.ge_s if else call $yield global.get $fuel i64.const 30 i64.add global.set $fuel br 1 end call $leaf local.get $n br_if 0 end
    loop global.get $fuel i64.const 30 i64.sub local.tee $l global.set $fuel local.get $l i64.const 0 i64.ge_s if else call $yield end call $leaf br 0 end))
