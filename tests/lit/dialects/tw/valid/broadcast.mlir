// RUN: tilewright-opt %s | filecheck %s
// RUN: tilewright-opt %s | tilewright-opt | filecheck %s

// CHECK-LABEL: func.func @leading(
// CHECK: "tw.broadcast"
// CHECK-SAME: -> tensor<?x6xf32, "s0, 6">
func.func @leading(%x: tensor<6xf32>) -> tensor<?x6xf32, "s0, 6"> attributes {tw.symbols = {s0 = array<i64: 1, 64>}} {
  %y = "tw.broadcast"(%x) {shape = "s0, 6"} : (tensor<6xf32>) -> tensor<?x6xf32, "s0, 6">
  return %y : tensor<?x6xf32, "s0, 6">
}

// CHECK-LABEL: func.func @size_one(
// CHECK: "tw.broadcast"
// CHECK-SAME: -> tensor<4x6xf32>
func.func @size_one(%x: tensor<4x1xf32>) -> tensor<4x6xf32> {
  %y = "tw.broadcast"(%x) {shape = "4, 6"} : (tensor<4x1xf32>) -> tensor<4x6xf32>
  return %y : tensor<4x6xf32>
}
