// RUN: tilewright-opt %s -p 'func.func(cse),symbol-privatize,symbol-dce,canonicalize' --print-ir-after-change -o /dev/null 2>&1 | filecheck %s --check-prefix=CHANGE
// CHANGE: // -----// IR after func.func(cse): changed @sum //----- //
// CHANGE-NEXT: func.func @sum
// CHANGE: return
// CHANGE-NEXT: }
// CHANGE-NEXT: // -----// IR after symbol-privatize: changed @sum, @other //----- //
// CHANGE: // -----// IR after symbol-dce: removed @sum, @other //----- //
// CHANGE-NEXT: // -----// IR after canonicalize: no change //----- //

// RUN: tilewright-opt %s --pass cse --pass canonicalize --print-ir-after-all -o /dev/null 2>&1 | filecheck %s --check-prefix=ALL
// ALL: IR after cse
// ALL-NEXT: module {
// ALL: @other
// ALL: IR after canonicalize
// ALL: @other

// RUN: tilewright-opt %s --pass cse --print-ir-before-all -o /dev/null 2>&1 | filecheck %s --check-prefix=BEFORE
// BEFORE: IR before cse
// BEFORE-COUNT-2: arith.addi

// RUN: tilewright-opt %s -p 'cse,canonicalize' --timing -o /dev/null 2>&1 | filecheck %s --check-prefix=TIMING
// TIMING: ms share pass
// TIMING-NEXT: {{[0-9.]+ +[0-9.]+%}} cse
// TIMING-NEXT: {{[0-9.]+ +[0-9.]+%}} canonicalize
// TIMING-NEXT: {{[0-9.]+}} 100.0% total

// RUN: rm -rf %t && tilewright-opt %s -p 'func.func(cse),canonicalize' --dump-dir %t -o %t.mlir && ls %t | filecheck %s --check-prefix=DUMP
// DUMP: 000-input.mlir
// DUMP-NEXT: 001-cse.mlir
// DUMP-NEXT: 002-canonicalize.mlir

// RUN: tilewright-opt %s --mlir-print-debuginfo --generic | filecheck %s --check-prefix=STYLE
// STYLE: "func.func"()
// STYLE: loc(

// The result alone goes to standard output.
// RUN: tilewright-opt %s -p cse --print-ir-after-all --timing 2>/dev/null | filecheck %s --check-prefix=QUIET
// QUIET-NOT: IR after
// QUIET: module {
// QUIET-NOT: total

func.func @sum(%x: i32) -> i32 {
  %0 = arith.addi %x, %x : i32
  %1 = arith.addi %x, %x : i32
  %2 = arith.muli %0, %1 : i32
  return %2 : i32
}

func.func @other() {
  return
}
