;; A guest that refers to a function a thousand times with every call.
(module
  (memory (export "memory") 2)
  (data (i32.const 1024) "{\22name\22:\22fixture\22,\22version\22:\221\22,\22input\22:\22tokens\22,\22unknown_action\22:\22reject\22,\22actions\22:[{\22name\22:\22A\22,\22templates\22:[1]}],\22templates\22:[{\22id\22:1,\22name\22:\22t\22,\22sql\22:\22insert into t values ($1)\22,\22params\22:[\22text\22],\22writes\22:[\22t\22]}]}") ;; the manifest
  (data (i32.const 2048) "ICHO\01\008\008\00\00\00\00\00\00\00\00\00\00\00\18\00\00\008\00\00\00\00\00\00\00\10\00\00\008\00\00\00\00\00\00\00\0c\00\00\008\00\00\00\00\00\00\00") ;; the answer to an empty frame
  (data (i32.const 4096) "ICHO\01\008\00l\00\00\00\00\00\00\00\01\00\00\00\18\00\00\008\00\00\00\01\00\00\00\10\00\00\00P\00\00\00\01\00\00\00\0c\00\00\00`\00\00\00\00\00\00\00\00\00\00\00\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\01\00\00\00\00\00\00\00\01\00\00\00\00\00\00\00\00\00\00\00\09\04\00\00\07\00\00\00") ;; the answer to any other
  (elem declare func $convert)
  (func (export "ichor_abi_v1"))
  (func (export "ichor_describe") (result i64) (i64.const 4398046511321))
  (func (export "ichor_alloc") (param i32) (result i32) (i32.const 65536))
  (func $convert (export "ichor_convert") (param $ptr i32) (param $len i32) (result i64)
    (if (result i64) (i32.eqz (i32.load offset=16 (local.get $ptr)))
      (then (i64.const 8796093022264))
      (else (local.set $len (i32.const 1000)) (loop $l (drop (ref.func $convert)) (local.set $len (i32.sub (local.get $len) (i32.const 1))) (br_if $l (local.get $len))) (i64.const 17592186044524))))
)
