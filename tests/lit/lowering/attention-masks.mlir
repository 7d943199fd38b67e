// Masks become numbers added to scores: one per key where all queries share it, else one per key and lane.

// RUN: tilewright-opt %s -p 'tw-lower-templates{target=cpu:aarch64}' | filecheck %s

// CHECK-LABEL: func.func @padding(
// CHECK-SAME: memref<i8>
// CHECK: arith.trunci %{{.*}} : vector<4xi8> to vector<4xi1>
// CHECK: arith.select %{{.*}} : vector<4xi1>, vector<4xf32>
// CHECK: :16 = scf.for
// CHECK: arith.addf
// CHECK-NOT: scalef
func.func private @padding(%q: tensor<2x4x?x16xf32, "2, 4, d0, 16">, %k: tensor<2x4x?x16xf32, "2, 4, d0, 16">, %v: tensor<2x4x?x16xf32, "2, 4, d0, 16">, %m: tensor<2x1x1x?xi1, "2, 1, 1, d0">)
    -> tensor<2x4x?x16xf32, "2, 4, d0, 16">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 512>}, tw.schedule = {kind = "attention", vectors = 2 : i64, rows = 8 : i64, block = 256 : i64, source = "test"}} {
  %0 = "tw.attention"(%q, %k, %v, %m) {scale = 0.25 : f64, operandSegmentSizes = array<i32: 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0>}
      : (tensor<2x4x?x16xf32, "2, 4, d0, 16">, tensor<2x4x?x16xf32, "2, 4, d0, 16">, tensor<2x4x?x16xf32, "2, 4, d0, 16">, tensor<2x1x1x?xi1, "2, 1, 1, d0">) -> tensor<2x4x?x16xf32, "2, 4, d0, 16">
  return %0 : tensor<2x4x?x16xf32, "2, 4, d0, 16">
}

// CHECK-LABEL: func.func @additive(
// CHECK: arith.cmpf oeq
// CHECK: vector.shuffle
// CHECK: :16 = scf.for
func.func private @additive(%q: tensor<2x4x?x16xf32, "2, 4, d0, 16">, %k: tensor<2x4x?x16xf32, "2, 4, d0, 16">, %v: tensor<2x4x?x16xf32, "2, 4, d0, 16">, %m: tensor<?x?xf32, "d0, d0">)
    -> tensor<2x4x?x16xf32, "2, 4, d0, 16">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 512>}, tw.schedule = {kind = "attention", vectors = 2 : i64, rows = 8 : i64, block = 256 : i64, source = "test"}} {
  %0 = "tw.attention"(%q, %k, %v, %m) {scale = 0.25 : f64, operandSegmentSizes = array<i32: 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0>}
      : (tensor<2x4x?x16xf32, "2, 4, d0, 16">, tensor<2x4x?x16xf32, "2, 4, d0, 16">, tensor<2x4x?x16xf32, "2, 4, d0, 16">, tensor<?x?xf32, "d0, d0">) -> tensor<2x4x?x16xf32, "2, 4, d0, 16">
  return %0 : tensor<2x4x?x16xf32, "2, 4, d0, 16">
}
