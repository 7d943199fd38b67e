// Ops with an order of their own stay, on lowered operands.

// RUN: tilewright-opt %s -p 'tw-lower-to-linalg' | filecheck %s

// CHECK-LABEL: func.func private @positions(
// CHECK: %[[NEGATED:.*]] = linalg.generic
// CHECK: "tw.scan"(%[[NEGATED]]) {dim = 1 : i64} : (tensor<4x8xi64>) -> tensor<4x8xi64>
func.func private @positions(%x: tensor<4x8xi64>) -> tensor<4x8xi64> attributes {tw.kernel, tw.symbols = {}} {
  %0 = "tw.pointwise"(%x) ({
  ^bb0(%a: i64):
    %1 = arith.muli %a, %a : i64
    "tw.yield"(%1) : (i64) -> ()
  }) : (tensor<4x8xi64>) -> tensor<4x8xi64>
  %2 = "tw.scan"(%0) {dim = 1 : i64} : (tensor<4x8xi64>) -> tensor<4x8xi64>
  return %2 : tensor<4x8xi64>
}
