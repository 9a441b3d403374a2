;; A guest that grows its tables with every call.
(module

  (memory (export "memory") 2)
  (data (i32.const 1024) "\7b\22\6e\61\6d\65\22\3a\20\22\66\69\78\74\75\72\65\22\2c\20\22\76\65\72\73\69\6f\6e\22\3a\20\22\31\22\2c\20\22\69\6e\70\75\74\22\3a\20\22\74\6f\6b\65\6e\73\22\2c\20\22\75\6e\6b\6e\6f\77\6e\5f\61\63\74\69\6f\6e\22\3a\20\22\72\65\6a\65\63\74\22\2c\20\22\61\63\74\69\6f\6e\73\22\3a\20\5b\7b\22\6e\61\6d\65\22\3a\20\22\41\22\2c\20\22\74\65\6d\70\6c\61\74\65\73\22\3a\20\5b\31\5d\7d\5d\2c\20\22\74\65\6d\70\6c\61\74\65\73\22\3a\20\5b\7b\22\69\64\22\3a\20\31\2c\20\22\6e\61\6d\65\22\3a\20\22\74\22\2c\20\22\73\71\6c\22\3a\20\22\69\6e\73\65\72\74\20\69\6e\74\6f\20\74\20\76\61\6c\75\65\73\20\28\24\31\29\22\2c\20\22\70\61\72\61\6d\73\22\3a\20\5b\22\74\65\78\74\22\5d\2c\20\22\77\72\69\74\65\73\22\3a\20\5b\22\74\22\5d\7d\5d\7d")
  (data (i32.const 60000) "\49\43\48\4f\01\00\38\00\38\00\00\00\00\00\00\00\00\00\00\00\18\00\00\00\38\00\00\00\00\00\00\00\10\00\00\00\38\00\00\00\00\00\00\00\0c\00\00\00\38\00\00\00\00\00\00\00")

  (func (export "ichor_abi_v1"))
  (func (export "ichor_describe") (result i64) (i64.const 4398046511344))
  (func (export "ichor_alloc") (param i32) (result i32) (i32.const 65536))
  
  ;; answers n records, all skipped: header at 61000
  (func $skip (param $n i32) (result i64)
    (memory.copy (i32.const 61000) (i32.const 60000) (i32.const 56))
    (i32.store offset=8 (i32.const 61000) (i32.add (i32.const 56) (i32.mul (local.get $n) (i32.const 24))))
    (i32.store offset=16 (i32.const 61000) (local.get $n))
    (i32.store offset=36 (i32.const 61000) (i32.add (i32.const 56) (i32.mul (local.get $n) (i32.const 24))))
    (i32.store offset=48 (i32.const 61000) (i32.add (i32.const 56) (i32.mul (local.get $n) (i32.const 24))))
    (memory.fill (i32.const 61056) (i32.const 0) (i32.mul (local.get $n) (i32.const 24)))
    (loop $l (if (local.get $n) (then
       (local.set $n (i32.sub (local.get $n) (i32.const 1)))
       (i32.store offset=61064 (i32.mul (local.get $n) (i32.const 24)) (i32.const 1)) (br $l))))
    (i64.or (i64.shl (i64.const 61000) (i64.const 32)) (i64.extend_i32_u (i32.load offset=8 (i32.const 61000)))))
(table $t0 1 funcref) (table $t1 1 funcref) (table $t2 1 funcref) (table $t3 1 funcref) (table $t4 1 funcref) (table $t5 1 funcref) (table $t6 1 funcref) (table $t7 1 funcref)
  (func $convert (export "ichor_convert") (param $ptr i32) (param $len i32) (result i64) 
    (if (i32.eqz (i32.load offset=16 (local.get $ptr))) (then (return (i64.const 257698037760056))))
    (drop (table.grow $t0 (ref.null func) (i32.const 60000))) (drop (table.grow $t1 (ref.null func) (i32.const 60000))) (drop (table.grow $t2 (ref.null func) (i32.const 60000))) (drop (table.grow $t3 (ref.null func) (i32.const 60000))) (drop (table.grow $t4 (ref.null func) (i32.const 60000))) (drop (table.grow $t5 (ref.null func) (i32.const 60000))) (drop (table.grow $t6 (ref.null func) (i32.const 60000))) (drop (table.grow $t7 (ref.null func) (i32.const 60000)))
    (return (call $skip (i32.load offset=16 (local.get $ptr)))))
)
