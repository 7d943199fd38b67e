// RUN: tilewright-opt %s | filecheck %s
// RUN: tilewright-opt %s | tilewright-opt | filecheck %s

// CHECK-LABEL: func.func @sum(
// CHECK: "tw.scan"
// CHECK-SAME: -> tensor<?x?xi64, "s0, s1">
func.func @sum(%x: tensor<?x?xi64, "s0, s1">) -> tensor<?x?xi64, "s0, s1"> attributes {tw.symbols = {s0 = array<i64: 1, 64>, s1 = array<i64: 1, 64>}} {
  %y = "tw.scan"(%x) {dim = 1 : i64} : (tensor<?x?xi64, "s0, s1">) -> tensor<?x?xi64, "s0, s1">
  return %y : tensor<?x?xi64, "s0, s1">
}

// CHECK-LABEL: func.func @product(
// CHECK: "tw.scan"
// CHECK-SAME: -> tensor<4xf32>
func.func @product(%x: tensor<4xf32>) -> tensor<4xf32> {
  %y = "tw.scan"(%x) {dim = 0 : i64, kind = "mul"} : (tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}
