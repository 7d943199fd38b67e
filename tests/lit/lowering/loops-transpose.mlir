// Transposes: square tiles go through registers; a last tile is moved back to end at the edge; matrices smaller than a tile go by lanes.
// A unit of work is a band of two vectors of the result's rows; the lines of the next tile's rows are fetched ahead.

// RUN: tilewright-opt %s -p 'tw-lower-to-linalg,tw-emit-loops{target=cpu:aarch64},canonicalize,cse' | filecheck %s

// CHECK-LABEL: func.func @transpose(
// CHECK-SAME: %[[D0:[a-z0-9]+]]: index, %[[D1:[a-z0-9]+]]: index, %[[LO:[a-z0-9]+]]: index, %[[HI:[a-z0-9]+]]: index)
// CHECK-SAME: tw.trip_count = "ceildiv(d0, 8)*d1"
// CHECK: scf.for {{.*}} = %[[LO]] to %[[HI]]
// CHECK: %[[LARGE:.*]] = arith.cmpi sge, %[[D0]], %{{.*}}
// CHECK: scf.if %[[LARGE]] {
// CHECK: scf.for {{.*}} step %c4
// CHECK: scf.for {{.*}} step %c4
// CHECK: arith.minsi
// CHECK: memref.prefetch {{.*}} write, locality<3>
// CHECK-COUNT-4: vector.load
// CHECK-COUNT-8: vector.shuffle
// CHECK-COUNT-4: vector.store
// CHECK: } else {
// CHECK: vector.gather
func.func private @transpose(%x: tensor<?x?x64xf32, "d0, d1, 64">) -> tensor<?x64x?xf32, "d1, 64, d0">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 64>, d1 = array<i64: 1, 512>}, tw.schedule = {kind = "transpose", source = "test"}} {
  %0 = "tw.transpose"(%x) {permutation = array<i64: 1, 2, 0>} : (tensor<?x?x64xf32, "d0, d1, 64">) -> tensor<?x64x?xf32, "d1, 64, d0">
  return %0 : tensor<?x64x?xf32, "d1, 64, d0">
}

// CHECK-LABEL: func.func @heads(
// CHECK-NOT: vector.shuffle
// CHECK-COUNT-8: vector.load
// CHECK-NOT: vector.shuffle
func.func private @heads(%x: tensor<?x?x12x32xf32, "d0, d1, 12, 32">) -> tensor<?x12x?x32xf32, "d0, 12, d1, 32">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 8>, d1 = array<i64: 1, 512>}} {
  %0 = "tw.transpose"(%x) {permutation = array<i64: 0, 2, 1, 3>} : (tensor<?x?x12x32xf32, "d0, d1, 12, 32">) -> tensor<?x12x?x32xf32, "d0, 12, d1, 32">
  return %0 : tensor<?x12x?x32xf32, "d0, 12, d1, 32">
}
