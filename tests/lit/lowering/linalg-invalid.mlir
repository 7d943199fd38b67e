// Every op without a lowering is named, with how often it occurs.

// RUN: not --code 3 tilewright-opt %s -p 'tw-lower-to-linalg' 2>&1 | filecheck %s

// CHECK: 1 kind of op has no lowering to loops
// CHECK: tw.attention: 2 at
func.func private @attention(%q: tensor<1x2x4x8xf32>, %k: tensor<1x2x4x8xf32>, %v: tensor<1x2x4x8xf32>) -> tensor<1x2x4x8xf32>
    attributes {tw.kernel, tw.symbols = {}} {
  %0 = "tw.attention"(%q, %k, %v) {scale = 1.0 : f64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0>}
      : (tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>) -> tensor<1x2x4x8xf32>
  %1 = "tw.attention"(%0, %k, %v) {scale = 1.0 : f64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0>}
      : (tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>) -> tensor<1x2x4x8xf32>
  return %1 : tensor<1x2x4x8xf32>
}
