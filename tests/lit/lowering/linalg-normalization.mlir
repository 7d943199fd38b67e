// Softmax and the normalizations become reductions and maps.

// RUN: tilewright-opt %s -p 'tw-lower-to-linalg' | filecheck %s

// CHECK-LABEL: func.func private @softmax(
// CHECK: arith.maxnumf
// CHECK: arith.subf
// CHECK: math.exp
// CHECK: arith.addf
// CHECK: arith.divf
// CHECK: arith.mulf
func.func private @softmax(%x: tensor<?x?xf32, "d0, d1">) -> tensor<?x?xf32, "d0, d1">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 64>, d1 = array<i64: 1, 512>}} {
  %0 = "tw.softmax"(%x) {dim = 1 : i64} : (tensor<?x?xf32, "d0, d1">) -> tensor<?x?xf32, "d0, d1">
  return %0 : tensor<?x?xf32, "d0, d1">
}

// The reciprocal of a dynamic count is computed once, outside all loops.
// CHECK-LABEL: func.func private @layer_norm(
// CHECK-SAME: %[[D0:[a-z0-9]+]]: index, %[[D1:[a-z0-9]+]]: index)
// CHECK: %[[N:.*]] = arith.index_cast %[[D1]] : index to i64
// CHECK: %[[NF:.*]] = arith.sitofp %[[N]] : i64 to f32
// CHECK: %[[INVERSE:.*]] = arith.divf %{{.*}}, %[[NF]] : f32
// CHECK: arith.mulf %{{.*}}, %[[INVERSE]] : f32
// CHECK: math.sqrt
// CHECK: math.fma
func.func private @layer_norm(%x: tensor<?x?xf32, "d0, d1">, %w: tensor<?xf32, "d1">, %b: tensor<?xf32, "d1">) -> tensor<?x?xf32, "d0, d1">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 64>, d1 = array<i64: 1, 512>}} {
  %0 = "tw.layer_norm"(%x, %w, %b) {eps = 1.0e-5 : f64, operandSegmentSizes = array<i32: 1, 1, 1>}
      : (tensor<?x?xf32, "d0, d1">, tensor<?xf32, "d1">, tensor<?xf32, "d1">) -> tensor<?x?xf32, "d0, d1">
  return %0 : tensor<?x?xf32, "d0, d1">
}

// CHECK-LABEL: func.func private @rms_norm(
// CHECK: arith.constant 1.250000e-01 : f32
// CHECK-NOT: arith.subf
// CHECK: math.sqrt
func.func private @rms_norm(%x: tensor<4x8xf32>) -> tensor<4x8xf32> attributes {tw.kernel, tw.symbols = {}} {
  %0 = "tw.rms_norm"(%x) {eps = 1.0e-6 : f64} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// CHECK-LABEL: func.func private @group_norm(
// CHECK: tensor.expand_shape %{{.*}} : tensor<2x12x5xf32> into tensor<2x3x4x5xf32>
// CHECK: iterator_types = ["parallel", "parallel", "reduction", "reduction"]
// CHECK: tensor.collapse_shape %{{.*}} : tensor<2x3x4x5xf32> into tensor<2x12x5xf32>
func.func private @group_norm(%x: tensor<2x12x5xf32>) -> tensor<2x12x5xf32> attributes {tw.kernel, tw.symbols = {}} {
  %0 = "tw.group_norm"(%x) {groups = 3 : i64, eps = 1.0e-5 : f64, operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<2x12x5xf32>) -> tensor<2x12x5xf32>
  return %0 : tensor<2x12x5xf32>
}
