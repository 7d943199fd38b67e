// RUN: tilewright-opt %s | filecheck %s
// RUN: tilewright-opt %s | tilewright-opt | filecheck %s

// CHECK-LABEL: func.func @both(
// CHECK: "tw.reverse"
// CHECK-SAME: -> tensor<4x6xf32>
func.func @both(%x: tensor<4x6xf32>) -> tensor<4x6xf32> {
  %y = "tw.reverse"(%x) {dims = array<i64: 0, 1>} : (tensor<4x6xf32>) -> tensor<4x6xf32>
  return %y : tensor<4x6xf32>
}
