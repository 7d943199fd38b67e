// RUN: tilewright-opt %s -p 'tw-decompose-unsupported{target=cpu:x86-64-v3}' | filecheck %s

// The template covers plain attention, and not one with a soft cap. The reason is kept for the report.
// CHECK-LABEL: func.func @main
// CHECK-SAME: tw.decomposed = ["attention at
// CHECK-SAME: softcap
// CHECK: "tw.attention"
// CHECK: "tw.matmul"
// CHECK: "tw.softmax"
// CHECK: "tw.matmul"
// CHECK: return
func.func @main(%q: tensor<1x4x8x16xf32>) -> tensor<1x4x8x16xf32> {
  %0 = "tw.attention"(%q, %q, %q) {operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0>, scale = 0.25 : f64} : (tensor<1x4x8x16xf32>, tensor<1x4x8x16xf32>, tensor<1x4x8x16xf32>) -> tensor<1x4x8x16xf32>
  %1 = "tw.attention"(%0, %q, %q) {operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0>, scale = 0.25 : f64, softcap = 30.0 : f64} : (tensor<1x4x8x16xf32>, tensor<1x4x8x16xf32>, tensor<1x4x8x16xf32>) -> tensor<1x4x8x16xf32>
  return %1 : tensor<1x4x8x16xf32>
}
