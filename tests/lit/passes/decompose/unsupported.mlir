// RUN: tilewright-opt %s -p 'tw-decompose-unsupported{target=cpu:x86-64-v3}' | filecheck %s

// A template covers attention of usual head sizes, and none very large ones. The reason is kept for the report.
// CHECK-LABEL: func.func @main
// CHECK-SAME: tw.decomposed = ["attention at
// CHECK-SAME: head size D = 2048
// CHECK: "tw.attention"
// CHECK: "tw.matmul"
// CHECK: "tw.softmax"
// CHECK: "tw.matmul"
// CHECK: return
func.func @main(%q: tensor<1x4x8x16xf32>, %r: tensor<1x1x2x2048xf32>) -> (tensor<1x4x8x16xf32>, tensor<1x1x2x2048xf32>) {
  %0 = "tw.attention"(%q, %q, %q) {operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0>, scale = 0.25 : f64} : (tensor<1x4x8x16xf32>, tensor<1x4x8x16xf32>, tensor<1x4x8x16xf32>) -> tensor<1x4x8x16xf32>
  %1 = "tw.attention"(%r, %r, %r) {operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0>, scale = 0.25 : f64} : (tensor<1x1x2x2048xf32>, tensor<1x1x2x2048xf32>, tensor<1x1x2x2048xf32>) -> tensor<1x1x2x2048xf32>
  return %0, %1 : tensor<1x4x8x16xf32>, tensor<1x1x2x2048xf32>
}
