// RUN: tilewright-opt %s | filecheck %s
// RUN: tilewright-opt %s | tilewright-opt | filecheck %s

// CHECK-LABEL: func.func @last(
// CHECK: "tw.argmax"
// CHECK-SAME: -> tensor<4xi64>
func.func @last(%x: tensor<4x8xf32>) -> tensor<4xi64> {
  %i = "tw.argmax"(%x) {dim = 1 : i64} : (tensor<4x8xf32>) -> tensor<4xi64>
  return %i : tensor<4xi64>
}

// CHECK-LABEL: func.func @keep(
// CHECK: "tw.argmax"
// CHECK-SAME: -> tensor<4x1xi64>
func.func @keep(%x: tensor<4x8xf32>) -> tensor<4x1xi64> {
  %i = "tw.argmax"(%x) {dim = 1 : i64, keep_dims = true} : (tensor<4x8xf32>) -> tensor<4x1xi64>
  return %i : tensor<4x1xi64>
}
