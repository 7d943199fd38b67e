// Gathered rows: the row index is one scalar load a row, what follows reads the row contiguously; a condition on the lane splits the lanes.

// RUN: tilewright-opt %s -p 'tw-lower-to-linalg,tw-emit-loops{target=cpu:x86-64-v4},canonicalize,cse' | filecheck %s

// CHECK-LABEL: func.func @embedding(
// CHECK-NOT: vector.gather
// CHECK: scf.for
// CHECK: memref.load %{{.*}} : memref<?xi64>
// CHECK-NOT: memref.load
// CHECK: arith.maxsi
// CHECK: arith.minsi
// CHECK: vector.load %{{.*}} : memref<?xf32>, vector<16xf32>
// CHECK-NOT: vector.gather
// CHECK: return
func.func private @embedding(%t: tensor<100x48xf32>, %i: tensor<?xi64, "d0">) -> tensor<?x48xf32, "d0, 48">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 512>}} {
  %0 = "tw.gather"(%t, %i) {axes = array<i64: 0>} : (tensor<100x48xf32>, tensor<?xi64, "d0">) -> tensor<?x48xf32, "d0, 48">
  return %0 : tensor<?x48xf32, "d0, 48">
}

// Indices along the lane: one element per lane.
// CHECK-LABEL: func.func @columns(
// CHECK: vector.load %{{.*}} : memref<?xi64>, vector<16xi64>
// CHECK: vector.gather
func.func private @columns(%t: tensor<8x100xf32>, %i: tensor<?xi64, "d0">) -> tensor<8x?xf32, "8, d0">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 512>}} {
  %0 = "tw.gather"(%t, %i) {axes = array<i64: 1>} : (tensor<8x100xf32>, tensor<?xi64, "d0">) -> tensor<8x?xf32, "8, d0">
  return %0 : tensor<8x?xf32, "8, d0">
}

// Rotary embedding: no condition and no gather is left, each half is a load of its partner.
// CHECK-LABEL: func.func @rope(
// CHECK-NOT: scf.if
// CHECK-NOT: vector.gather
// CHECK-NOT: arith.select
// CHECK: math.fma
// CHECK-NOT: scf.if
// CHECK: return
func.func private @rope(%x: tensor<?x64xf32, "d0, 64">, %c: tensor<?x64xf32, "d0, 64">, %s: tensor<?x64xf32, "d0, 64">) -> tensor<?x64xf32, "d0, 64">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 512>}} {
  %0 = "tw.rope"(%x, %c, %s) : (tensor<?x64xf32, "d0, 64">, tensor<?x64xf32, "d0, 64">, tensor<?x64xf32, "d0, 64">) -> tensor<?x64xf32, "d0, 64">
  return %0 : tensor<?x64xf32, "d0, 64">
}
