// RUN: tilewright-opt %s | filecheck %s
// RUN: tilewright-opt %s | tilewright-opt | filecheck %s

// CHECK-LABEL: func.func @columns(
// CHECK: "tw.pad"
// CHECK-SAME: -> tensor<4x?xf32, "4, s0 + 7">
func.func @columns(%x: tensor<4x6xf32>) -> tensor<4x?xf32, "4, s0 + 7"> attributes {tw.symbols = {s0 = array<i64: 1, 64>}} {
  %y = "tw.pad"(%x) {high = "0, 1", low = "0, s0", value = -1.0 : f64} : (tensor<4x6xf32>) -> tensor<4x?xf32, "4, s0 + 7">
  return %y : tensor<4x?xf32, "4, s0 + 7">
}
