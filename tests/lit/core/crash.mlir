// An assertion of MLIR's (i1 in memory) ends in an error with the pass, the signal, the message of the assertion and a reproducer.

// RUN: rm -rf %t && mkdir -p %t
// RUN: env TILEWRIGHT_REPRODUCER_DIR=%t not --code 6 tilewright-opt %s -p 'cse,finalize-memref-to-llvm,canonicalize' 2>&1 | filecheck %s
// CHECK: crash.mlir: error: pass finalize-memref-to-llvm died of signal 6 (SIGABRT: abort)
// CHECK-NEXT: why: {{.*}}Assertion `integralElementType.getWidth() >= 8' failed.
// CHECK-NEXT: fix: the IR before it is in [[SAVED:.+]]
// CHECK-NEXT: run it again: {{.*}} --run-reproducer [[SAVED]]

// The reproducer holds the IR before that pass alone, and fails in the same way.
// RUN: cat %t/*.mlir | filecheck %s --check-prefix=FILE
// FILE: // Tilewright reproducer: pass finalize-memref-to-llvm died of signal 6
// FILE-NEXT: // run it again: {{.*}} --run-reproducer {{.*}}.mlir
// FILE-NEXT: "pipeline": "finalize-memref-to-llvm"
// FILE: "arith.addi"
// FILE-NOT: "arith.addi"

// RUN: not --code 6 tilewright-opt --dump-reproducer %t/named.mlir %s -p 'finalize-memref-to-llvm' 2>&1 | filecheck %s --check-prefix=NAMED
// NAMED: the IR before it is in {{.*}}named.mlir
// RUN: not --code 6 tilewright-opt --run-reproducer %t/named.mlir 2>&1 | filecheck %s --check-prefix=REPLAY
// REPLAY: named.mlir: error: pass finalize-memref-to-llvm died of signal 6 (SIGABRT: abort)
// REPLAY: fix: run it again: {{.*}} --run-reproducer {{.*}}named.mlir

func.func @store(%memory: memref<4xi1>, %value: i1, %i: index) -> index {
  memref.store %value, %memory[%i] : memref<4xi1>
  %0 = arith.addi %i, %i : index
  %1 = arith.addi %i, %i : index
  %2 = arith.muli %0, %1 : index
  return %2 : index
}
