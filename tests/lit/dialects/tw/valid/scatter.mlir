// RUN: tilewright-opt %s | filecheck %s
// RUN: tilewright-opt %s | tilewright-opt | filecheck %s

// CHECK-LABEL: func.func @set(
// CHECK: "tw.scatter"
// CHECK-SAME: -> tensor<100x8xf32>
func.func @set(%x: tensor<100x8xf32>, %u: tensor<4x8xf32>, %i: tensor<4xi64>) -> tensor<100x8xf32> {
  %y = "tw.scatter"(%x, %u, %i) {axes = array<i64: 0>} : (tensor<100x8xf32>, tensor<4x8xf32>, tensor<4xi64>) -> tensor<100x8xf32>
  return %y : tensor<100x8xf32>
}

// CHECK-LABEL: func.func @add(
// CHECK: "tw.scatter"
// CHECK-SAME: -> tensor<3x9xf32>
func.func @add(%x: tensor<3x9xf32>, %u: tensor<f32>, %i: tensor<4xi32>) -> tensor<3x9xf32> {
  %y = "tw.scatter"(%x, %u, %i) {axes = array<i64: 1>, kind = "add"} : (tensor<3x9xf32>, tensor<f32>, tensor<4xi32>) -> tensor<3x9xf32>
  return %y : tensor<3x9xf32>
}
