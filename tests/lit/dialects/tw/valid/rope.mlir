// RUN: tilewright-opt %s | filecheck %s
// RUN: tilewright-opt %s | tilewright-opt | filecheck %s

// CHECK-LABEL: func.func @halves(
// CHECK: "tw.rope"
// CHECK-SAME: -> tensor<2x4x8xf32>
func.func @halves(%x: tensor<2x4x8xf32>, %c: tensor<4x8xf32>, %s: tensor<4x8xf32>) -> tensor<2x4x8xf32> {
  %y = "tw.rope"(%x, %c, %s) : (tensor<2x4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<2x4x8xf32>
  return %y : tensor<2x4x8xf32>
}

// CHECK-LABEL: func.func @neighbours(
// CHECK: "tw.rope"
// CHECK-SAME: -> tensor<?x4x8xf32, "s0, 4, 8">
func.func @neighbours(%x: tensor<?x4x8xf32, "s0, 4, 8">, %c: tensor<4x8xf32>, %s: tensor<4x8xf32>) -> tensor<?x4x8xf32, "s0, 4, 8"> attributes {tw.symbols = {s0 = array<i64: 1, 64>}} {
  %y = "tw.rope"(%x, %c, %s) {interleaved = true} : (tensor<?x4x8xf32, "s0, 4, 8">, tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<?x4x8xf32, "s0, 4, 8">
  return %y : tensor<?x4x8xf32, "s0, 4, 8">
}
