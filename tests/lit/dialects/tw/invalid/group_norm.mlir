// RUN: tilewright-opt %s --split-input-file --verify-diagnostics

func.func @f(%x: tensor<1x4x8xi32>) -> tensor<1x4x8xi32> {
  // expected-error@+1 {{tw.group_norm: [N1] the input is floating point}}
  %y = "tw.group_norm"(%x) {groups = 2 : i64, eps = 1.0e-5 : f64, operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<1x4x8xi32>) -> tensor<1x4x8xi32>
  return %y : tensor<1x4x8xi32>
}

// -----

func.func @f(%x: tensor<1x4x8xf32>) -> tensor<1x4x8xf32> {
  // expected-error@+1 {{tw.group_norm: [N2] the channel count is static and divisible by groups}}
  %y = "tw.group_norm"(%x) {groups = 3 : i64, eps = 1.0e-5 : f64, operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<1x4x8xf32>) -> tensor<1x4x8xf32>
  return %y : tensor<1x4x8xf32>
}

// -----

func.func @f(%x: tensor<1x4x8xf32>) -> tensor<1x4x8xf32> {
  // expected-error@+1 {{tw.group_norm: [N2] the channel count is static and divisible by groups}}
  %y = "tw.group_norm"(%x) {groups = 0 : i64, eps = 1.0e-5 : f64, operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<1x4x8xf32>) -> tensor<1x4x8xf32>
  return %y : tensor<1x4x8xf32>
}

// -----

func.func @f(%x: tensor<1x4x8xf32>, %w: tensor<4xf32>, %b: tensor<8xf32>) -> tensor<1x4x8xf32> {
  // expected-error@+1 {{tw.group_norm: [N3] weight and bias are [C]}}
  %y = "tw.group_norm"(%x, %w, %b) {groups = 2 : i64, eps = 1.0e-5 : f64, operandSegmentSizes = array<i32: 1, 1, 1>} : (tensor<1x4x8xf32>, tensor<4xf32>, tensor<8xf32>) -> tensor<1x4x8xf32>
  return %y : tensor<1x4x8xf32>
}
