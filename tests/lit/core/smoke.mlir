// RUN: tilewright-opt %s -p cse | filecheck %s

// CHECK-LABEL: func.func @twice
// CHECK: %[[SUM:.*]] = arith.addi
// CHECK-NEXT: arith.muli %[[SUM]], %[[SUM]]
func.func @twice(%x: i32) -> i32 {
  %0 = arith.addi %x, %x : i32
  %1 = arith.addi %x, %x : i32
  %2 = arith.muli %0, %1 : i32
  return %2 : i32
}
