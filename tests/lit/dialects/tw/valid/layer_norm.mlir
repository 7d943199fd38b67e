// RUN: tilewright-opt %s | filecheck %s
// RUN: tilewright-opt %s | tilewright-opt | filecheck %s

// CHECK-LABEL: func.func @affine(
// CHECK: "tw.layer_norm"
// CHECK-SAME: -> tensor<?x384xf32, "s0, 384">
func.func @affine(%x: tensor<?x384xf32, "s0, 384">, %w: tensor<384xf32>, %b: tensor<384xf32>) -> tensor<?x384xf32, "s0, 384"> attributes {tw.symbols = {s0 = array<i64: 1, 64>}} {
  %y = "tw.layer_norm"(%x, %w, %b) {eps = 1.0e-5 : f64, operandSegmentSizes = array<i32: 1, 1, 1>} : (tensor<?x384xf32, "s0, 384">, tensor<384xf32>, tensor<384xf32>) -> tensor<?x384xf32, "s0, 384">
  return %y : tensor<?x384xf32, "s0, 384">
}

// CHECK-LABEL: func.func @plain_two_axes(
// CHECK: "tw.layer_norm"
// CHECK-SAME: -> tensor<2x4x8xf32>
func.func @plain_two_axes(%x: tensor<2x4x8xf32>) -> tensor<2x4x8xf32> {
  %y = "tw.layer_norm"(%x) {axes = 2 : i64, eps = 1.0e-5 : f64, operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<2x4x8xf32>) -> tensor<2x4x8xf32>
  return %y : tensor<2x4x8xf32>
}

// CHECK-LABEL: func.func @bias_only(
// CHECK: "tw.layer_norm"
// CHECK-SAME: -> tensor<4x8xf32>
func.func @bias_only(%x: tensor<4x8xf32>, %b: tensor<8xf32>) -> tensor<4x8xf32> {
  %y = "tw.layer_norm"(%x, %b) {eps = 1.0e-5 : f64, operandSegmentSizes = array<i32: 1, 0, 1>} : (tensor<4x8xf32>, tensor<8xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}
