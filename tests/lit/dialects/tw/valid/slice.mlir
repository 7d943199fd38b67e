// RUN: tilewright-opt %s | filecheck %s
// RUN: tilewright-opt %s | tilewright-opt | filecheck %s

// CHECK-LABEL: func.func @static(
// CHECK: "tw.slice"
// CHECK-SAME: -> tensor<4x2xf32>
func.func @static(%x: tensor<4x6xf32>) -> tensor<4x2xf32> {
  %y = "tw.slice"(%x) {sizes = "4, 2", starts = "0, 1", steps = array<i64: 1, 3>} : (tensor<4x6xf32>) -> tensor<4x2xf32>
  return %y : tensor<4x2xf32>
}

// CHECK-LABEL: func.func @dynamic(
// CHECK: "tw.slice"
// CHECK-SAME: -> tensor<?x1xf32, "s0, 1">
func.func @dynamic(%x: tensor<?x?xf32, "s0, s1">) -> tensor<?x1xf32, "s0, 1"> attributes {tw.symbols = {s0 = array<i64: 1, 64>, s1 = array<i64: 1, 64>}} {
  %y = "tw.slice"(%x) {sizes = "s0, 1", starts = "0, s1 - 1", steps = array<i64: 1, 1>} : (tensor<?x?xf32, "s0, s1">) -> tensor<?x1xf32, "s0, 1">
  return %y : tensor<?x1xf32, "s0, 1">
}
