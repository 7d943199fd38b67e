// Pieces are modules of their own; one that fails or crashes does not stop the others.

// RUN: env TILEWRIGHT_PASS_MODULES=faulty_passes PYTHONPATH=%{root}:%S/Inputs not --code 6 tilewright-opt %s --split-input-file -p 'test-die{only=second},cse' > %t.out 2> %t.err
// RUN: filecheck %s --input-file=%t.out
// RUN: filecheck %s --input-file=%t.err --check-prefix=ERR

// ERR: split-input-file.mlir:17: error: pass test-die{only=second} died of signal 11 (SIGSEGV: segmentation fault)
// ERR: split-input-file.mlir:23:3: error: {{.*}} op has 0 operands

// CHECK: func.func private @first
// CHECK: // -----
// CHECK: func.func private @last
// CHECK-NOT: // -----

func.func private @first()
// -----
func.func @second() {
  return
}

// -----
func.func @third() -> i32 {
  return
}
// -----
func.func private @last()
