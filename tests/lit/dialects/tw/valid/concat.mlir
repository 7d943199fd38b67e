// RUN: tilewright-opt %s | filecheck %s
// RUN: tilewright-opt %s | tilewright-opt | filecheck %s

// CHECK-LABEL: func.func @dynamic(
// CHECK: "tw.concat"
// CHECK-SAME: -> tensor<?x6xf32, "s0 + 2, 6">
func.func @dynamic(%a: tensor<?x6xf32, "s0, 6">, %b: tensor<2x6xf32>) -> tensor<?x6xf32, "s0 + 2, 6"> attributes {tw.symbols = {s0 = array<i64: 1, 64>}} {
  %y = "tw.concat"(%a, %b) {dim = 0 : i64} : (tensor<?x6xf32, "s0, 6">, tensor<2x6xf32>) -> tensor<?x6xf32, "s0 + 2, 6">
  return %y : tensor<?x6xf32, "s0 + 2, 6">
}

// CHECK-LABEL: func.func @one(
// CHECK: "tw.concat"
// CHECK-SAME: -> tensor<4x6xf32>
func.func @one(%a: tensor<4x6xf32>) -> tensor<4x6xf32> {
  %y = "tw.concat"(%a) {dim = 1 : i64} : (tensor<4x6xf32>) -> tensor<4x6xf32>
  return %y : tensor<4x6xf32>
}
