// RUN: tilewright-opt %s | filecheck %s
// RUN: tilewright-opt %s | tilewright-opt | filecheck %s

// CHECK-LABEL: func.func @last(
// CHECK: "tw.softmax"
// CHECK-SAME: -> tensor<?x?xf32, "s0, s1">
func.func @last(%x: tensor<?x?xf32, "s0, s1">) -> tensor<?x?xf32, "s0, s1"> attributes {tw.symbols = {s0 = array<i64: 1, 64>, s1 = array<i64: 1, 64>}} {
  %y = "tw.softmax"(%x) {dim = 1 : i64} : (tensor<?x?xf32, "s0, s1">) -> tensor<?x?xf32, "s0, s1">
  return %y : tensor<?x?xf32, "s0, s1">
}

// CHECK-LABEL: func.func @log(
// CHECK: "tw.softmax"
// CHECK-SAME: -> tensor<4x8xf16>
func.func @log(%x: tensor<4x8xf16>) -> tensor<4x8xf16> {
  %y = "tw.softmax"(%x) {dim = 0 : i64, log = true} : (tensor<4x8xf16>) -> tensor<4x8xf16>
  return %y : tensor<4x8xf16>
}
