// RUN: tilewright-opt %s --split-input-file --verify-diagnostics

func.func @f(%x: tensor<2x4x8xi32>, %c: tensor<4x8xi32>, %s: tensor<4x8xi32>) -> tensor<2x4x8xi32> {
  // expected-error@+1 {{tw.rope: [E1] the input is floating point}}
  %y = "tw.rope"(%x, %c, %s) : (tensor<2x4x8xi32>, tensor<4x8xi32>, tensor<4x8xi32>) -> tensor<2x4x8xi32>
  return %y : tensor<2x4x8xi32>
}

// -----

func.func @f(%x: tensor<2x4x7xf32>, %c: tensor<4x7xf32>, %s: tensor<4x7xf32>) -> tensor<2x4x7xf32> {
  // expected-error@+1 {{tw.rope: [E2] the last dimension is static and even}}
  %y = "tw.rope"(%x, %c, %s) : (tensor<2x4x7xf32>, tensor<4x7xf32>, tensor<4x7xf32>) -> tensor<2x4x7xf32>
  return %y : tensor<2x4x7xf32>
}

// -----

func.func @f(%x: tensor<2x4x8xf32>, %c: tensor<4x8xf32>, %s: tensor<1x8xf32>) -> tensor<2x4x8xf32> {
  // expected-error@+1 {{tw.rope: [E3] cos and sin are alike and broadcast to the input}}
  %y = "tw.rope"(%x, %c, %s) : (tensor<2x4x8xf32>, tensor<4x8xf32>, tensor<1x8xf32>) -> tensor<2x4x8xf32>
  return %y : tensor<2x4x8xf32>
}

// -----

func.func @f(%x: tensor<2x4x8xf32>, %c: tensor<3x8xf32>, %s: tensor<3x8xf32>) -> tensor<2x4x8xf32> {
  // expected-error@+1 {{tw.rope: [E3] cos and sin are alike and broadcast to the input}}
  %y = "tw.rope"(%x, %c, %s) : (tensor<2x4x8xf32>, tensor<3x8xf32>, tensor<3x8xf32>) -> tensor<2x4x8xf32>
  return %y : tensor<2x4x8xf32>
}
