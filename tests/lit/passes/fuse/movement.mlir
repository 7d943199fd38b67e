// RUN: tilewright-opt %s -p 'tw-fuse' --split-input-file | filecheck %s

// Attention reads and writes heads by strides: the transposes around it are part of its kernel. Reshapes stay outside.
// CHECK-LABEL: func.func @heads
func.func @heads(%q: tensor<2x5x4x16xf32>, %k: tensor<2x5x4x16xf32>) -> tensor<2x5x64xf32> {
  // CHECK: %[[A:.*]] = "tw.kernel"
  // CHECK: "tw.transpose"
  // CHECK: "tw.transpose"
  // CHECK: "tw.attention"
  // CHECK: "tw.transpose"
  // CHECK-NOT: "tw.kernel"
  // CHECK: %[[R:.*]] = "tw.reshape"(%[[A]])
  // CHECK: return %[[R]]
  %0 = "tw.transpose"(%q) {permutation = array<i64: 0, 2, 1, 3>} : (tensor<2x5x4x16xf32>) -> tensor<2x4x5x16xf32>
  %1 = "tw.transpose"(%k) {permutation = array<i64: 0, 2, 1, 3>} : (tensor<2x5x4x16xf32>) -> tensor<2x4x5x16xf32>
  %2 = "tw.attention"(%0, %1, %1) {operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0>, scale = 0.25 : f64} : (tensor<2x4x5x16xf32>, tensor<2x4x5x16xf32>, tensor<2x4x5x16xf32>) -> tensor<2x4x5x16xf32>
  %3 = "tw.transpose"(%2) {permutation = array<i64: 0, 2, 1, 3>} : (tensor<2x4x5x16xf32>) -> tensor<2x5x4x16xf32>
  %4 = "tw.reshape"(%3) {shape = "2, 5, 64"} : (tensor<2x5x4x16xf32>) -> tensor<2x5x64xf32>
  return %4 : tensor<2x5x64xf32>
}

// -----

// What is cheap is copied into every kernel that uses it.
// CHECK-LABEL: func.func @copied
func.func @copied(%x: tensor<8xf32>, %w: tensor<8x8xf32>) -> (tensor<8xf32>, tensor<1x8xf32>) {
  // CHECK-DAG: "tw.matmul"
  // CHECK-DAG: "tw.reshape"(%{{.*}}) {shape = "1, 8"}
  // CHECK: return
  %c = "tw.constant"() {value = dense<2.0> : tensor<f32>} : () -> tensor<f32>
  %0 = "tw.pointwise"(%x, %c) ({
  ^bb0(%a: f32, %b: f32):
    %r = arith.mulf %a, %b : f32
    "tw.yield"(%r) : (f32) -> ()
  }) : (tensor<8xf32>, tensor<f32>) -> tensor<8xf32>
  %1 = "tw.reshape"(%x) {shape = "1, 8"} : (tensor<8xf32>) -> tensor<1x8xf32>
  %2 = "tw.matmul"(%1, %w) : (tensor<1x8xf32>, tensor<8x8xf32>) -> tensor<1x8xf32>
  return %0, %2 : tensor<8xf32>, tensor<1x8xf32>
}
