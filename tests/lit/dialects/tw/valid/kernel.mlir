// RUN: tilewright-opt %s | filecheck %s
// RUN: tilewright-opt %s | tilewright-opt | filecheck %s

// CHECK-LABEL: func.func @softmax(
// CHECK: "tw.kernel"
// CHECK: -> tensor<4x8xf32>
func.func @softmax(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %y = "tw.kernel"(%x) ({
  ^bb0(%0: tensor<4x8xf32>):
    %1 = "tw.softmax"(%0) {dim = 1 : i64} : (tensor<4x8xf32>) -> tensor<4x8xf32>
    "tw.yield"(%1) : (tensor<4x8xf32>) -> ()
  }) : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}
