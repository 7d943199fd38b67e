// RUN: tilewright-opt %s | filecheck %s
// RUN: tilewright-opt %s | tilewright-opt | filecheck %s

// CHECK-LABEL: func.func @experts(
// CHECK: "tw.grouped_matmul"
// CHECK-SAME: -> tensor<?x6xf32, "s0, 6">
func.func @experts(%x: tensor<?x4xf32, "s0, 4">, %w: tensor<2x4x6xf32>, %o: tensor<2xi32>) -> tensor<?x6xf32, "s0, 6"> attributes {tw.symbols = {s0 = array<i64: 1, 64>}} {
  %y = "tw.grouped_matmul"(%x, %w, %o) : (tensor<?x4xf32, "s0, 4">, tensor<2x4x6xf32>, tensor<2xi32>) -> tensor<?x6xf32, "s0, 6">
  return %y : tensor<?x6xf32, "s0, 6">
}
