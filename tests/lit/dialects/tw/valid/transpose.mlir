// RUN: tilewright-opt %s | filecheck %s
// RUN: tilewright-opt %s | tilewright-opt | filecheck %s

// CHECK-LABEL: func.func @heads(
// CHECK: "tw.transpose"
// CHECK-SAME: -> tensor<?x12x?x32xf32, "s0, 12, s1, 32">
func.func @heads(%x: tensor<?x?x12x32xf32, "s0, s1, 12, 32">) -> tensor<?x12x?x32xf32, "s0, 12, s1, 32"> attributes {tw.symbols = {s0 = array<i64: 1, 64>, s1 = array<i64: 1, 64>}} {
  %y = "tw.transpose"(%x) {permutation = array<i64: 0, 2, 1, 3>} : (tensor<?x?x12x32xf32, "s0, s1, 12, 32">) -> tensor<?x12x?x32xf32, "s0, 12, s1, 32">
  return %y : tensor<?x12x?x32xf32, "s0, 12, s1, 32">
}
