// RUN: tilewright-opt %s | filecheck %s
// RUN: tilewright-opt %s | tilewright-opt | filecheck %s

// CHECK-LABEL: func.func @embedding(
// CHECK: "tw.gather"
// CHECK-SAME: -> tensor<?x?x8xf32, "s0, s1, 8">
func.func @embedding(%t: tensor<100x8xf32>, %i: tensor<?x?xi64, "s0, s1">) -> tensor<?x?x8xf32, "s0, s1, 8"> attributes {tw.symbols = {s0 = array<i64: 1, 64>, s1 = array<i64: 1, 64>}} {
  %y = "tw.gather"(%t, %i) {axes = array<i64: 0>} : (tensor<100x8xf32>, tensor<?x?xi64, "s0, s1">) -> tensor<?x?x8xf32, "s0, s1, 8">
  return %y : tensor<?x?x8xf32, "s0, s1, 8">
}

// CHECK-LABEL: func.func @two_axes(
// CHECK: "tw.gather"
// CHECK-SAME: -> tensor<2x3x4x7xf32>
func.func @two_axes(%t: tensor<2x5x6x7xf32>, %i: tensor<3x1xi32>, %j: tensor<4xi32>) -> tensor<2x3x4x7xf32> {
  %y = "tw.gather"(%t, %i, %j) {axes = array<i64: 1, 2>} : (tensor<2x5x6x7xf32>, tensor<3x1xi32>, tensor<4xi32>) -> tensor<2x3x4x7xf32>
  return %y : tensor<2x3x4x7xf32>
}
