// RUN: tilewright-opt %s | filecheck %s
// RUN: tilewright-opt %s | tilewright-opt | filecheck %s

// CHECK-LABEL: func.func @affine(
// CHECK: "tw.group_norm"
// CHECK-SAME: -> tensor<1x4x8x8xf32>
func.func @affine(%x: tensor<1x4x8x8xf32>, %w: tensor<4xf32>, %b: tensor<4xf32>) -> tensor<1x4x8x8xf32> {
  %y = "tw.group_norm"(%x, %w, %b) {eps = 1.0e-5 : f64, groups = 2 : i64, operandSegmentSizes = array<i32: 1, 1, 1>} : (tensor<1x4x8x8xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<1x4x8x8xf32>
  return %y : tensor<1x4x8x8xf32>
}
