// The lanes of an argmax run along the row, each with the position of its own largest element; ties go to the first position.

// RUN: tilewright-opt %s -p 'tw-lower-to-linalg,tw-emit-loops{target=cpu:x86-64-v4},canonicalize,cse' | filecheck %s

// CHECK-LABEL: func.func @argmax(
// CHECK-NOT: tw.slow_path
// CHECK-SAME: tw.trip_count = "d0"
// CHECK: scf.for {{.*}} -> (vector<16xf32>, vector<16xi32>, vector<16xf32>, vector<16xi32>
// CHECK: vector.load
// CHECK: arith.cmpf ugt
// CHECK: arith.select
// CHECK: vector.shuffle {{.*}} [8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7]
// CHECK: arith.cmpi slt
// CHECK: arith.extsi {{.*}} : i32 to i64
func.func private @argmax(%x: tensor<?x?xf32, "d0, d1">) -> tensor<?xi64, "d0">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 64>, d1 = array<i64: 1, 200000>}} {
  %0 = "tw.argmax"(%x) {dim = 1 : i64} : (tensor<?x?xf32, "d0, d1">) -> tensor<?xi64, "d0">
  return %0 : tensor<?xi64, "d0">
}
