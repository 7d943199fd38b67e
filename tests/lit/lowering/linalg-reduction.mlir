// Reductions: neutral element, reduction iterators, kept dimensions put back by a reshape; 16-bit floats accumulate in f32.

// RUN: tilewright-opt %s -p 'tw-lower-to-linalg' | filecheck %s

// CHECK-LABEL: func.func private @column_sum(
// CHECK: %[[ZERO:.*]] = arith.constant 0.000000e+00 : f32
// CHECK: %[[INIT:.*]] = linalg.fill ins(%[[ZERO]] : f32)
// CHECK: %[[SUM:.*]] = linalg.generic {indexing_maps = [#{{.*}}, #{{.*}}], iterator_types = ["parallel", "reduction", "parallel"]}
// CHECK-SAME: outs(%[[INIT]] : tensor<?x64xf32, "d0, 64">)
// CHECK: ^bb0(%[[X:.*]]: f32, %[[ACC:.*]]: f32):
// CHECK: %[[NEXT:.*]] = arith.addf %[[ACC]], %[[X]] : f32
// CHECK: linalg.yield %[[NEXT]]
// CHECK: tensor.expand_shape %[[SUM]] {{\[\[}}0], [1, 2]] output_shape [%{{.*}}, 1, 64]
func.func private @column_sum(%x: tensor<?x?x64xf32, "d0, d1, 64">) -> tensor<?x1x64xf32, "d0, 1, 64">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 8>, d1 = array<i64: 1, 512>}} {
  %0 = "tw.reduce"(%x) {dims = array<i64: 1>, kind = "add", keep_dims = true} : (tensor<?x?x64xf32, "d0, d1, 64">) -> tensor<?x1x64xf32, "d0, 1, 64">
  return %0 : tensor<?x1x64xf32, "d0, 1, 64">
}

// CHECK-LABEL: func.func private @maximum_of_bf16(
// CHECK: arith.constant 0xFF800000 : f32
// CHECK: %[[WIDE:.*]] = arith.extf %{{.*}} : bf16 to f32
// CHECK: arith.maximumf %{{.*}}, %[[WIDE]] : f32
// CHECK: arith.truncf %{{.*}} : f32 to bf16
func.func private @maximum_of_bf16(%x: tensor<4x8xbf16>) -> tensor<4xbf16> attributes {tw.kernel, tw.symbols = {}} {
  %0 = "tw.reduce"(%x) {dims = array<i64: 1>, kind = "max"} : (tensor<4x8xbf16>) -> tensor<4xbf16>
  return %0 : tensor<4xbf16>
}

// As a boolean, the maximum is "or".
// CHECK-LABEL: func.func private @any(
// CHECK: arith.ori %{{.*}}, %{{.*}} : i1
func.func private @any(%x: tensor<4x8xi1>) -> tensor<4xi1> attributes {tw.kernel, tw.symbols = {}} {
  %0 = "tw.reduce"(%x) {dims = array<i64: 1>, kind = "max"} : (tensor<4x8xi1>) -> tensor<4xi1>
  return %0 : tensor<4xi1>
}
