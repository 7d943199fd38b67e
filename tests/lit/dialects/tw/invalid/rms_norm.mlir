// RUN: tilewright-opt %s --split-input-file --verify-diagnostics

func.func @f(%x: tensor<4x8xi64>) -> tensor<4x8xi64> {
  // expected-error@+1 {{tw.rms_norm: [N1] the input is floating point}}
  %y = "tw.rms_norm"(%x) {eps = 1.0e-6 : f64} : (tensor<4x8xi64>) -> tensor<4x8xi64>
  return %y : tensor<4x8xi64>
}

// -----

func.func @f(%x: tensor<4x8xf32>, %w: tensor<4xf32>) -> tensor<4x8xf32> {
  // expected-error@+1 {{tw.rms_norm: [N2] weight has the size of the last dimension}}
  %y = "tw.rms_norm"(%x, %w) {eps = 1.0e-6 : f64} : (tensor<4x8xf32>, tensor<4xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// -----

func.func @f(%x: tensor<f32>) -> tensor<f32> {
  // expected-error@+1 {{tw.rms_norm: [N2] weight has the size of the last dimension}}
  %y = "tw.rms_norm"(%x) {eps = 1.0e-6 : f64} : (tensor<f32>) -> tensor<f32>
  return %y : tensor<f32>
}
