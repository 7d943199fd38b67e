// RUN: tilewright-opt %s | filecheck %s
// RUN: tilewright-opt %s | tilewright-opt | filecheck %s

// CHECK-LABEL: func.func @bound(
// CHECK: "tw.launch"
// CHECK-SAME: -> tensor<?x8xf32, "s0*s1, 8">
func.func @bound(%x: tensor<?x8xf32, "s0*s1, 8">) -> tensor<?x8xf32, "s0*s1, 8"> attributes {tw.symbols = {s0 = array<i64: 1, 64>, s1 = array<i64: 1, 64>}} {
  %y = "tw.launch"(%x) {callee = @softmax_0, symbols = {d0 = "s0*s1"}} : (tensor<?x8xf32, "s0*s1, 8">) -> tensor<?x8xf32, "s0*s1, 8">
  return %y : tensor<?x8xf32, "s0*s1, 8">
}

// CHECK-LABEL: func.func @planned(
// CHECK: "tw.launch"
// CHECK-SAME: -> tensor<4x8xf32>
func.func @planned(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %y = "tw.launch"(%x) {buffers = ["slot:0"], callee = @softmax_0} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}
