// RUN: tilewright-opt %s --split-input-file --verify-diagnostics

func.func @f(%x: tensor<4x6xf32>) -> tensor<4x4xf32> {
  // expected-error@+1 {{tw.transpose: [V1] permutation permutes the dimensions}}
  %y = "tw.transpose"(%x) {permutation = array<i64: 0, 0>} : (tensor<4x6xf32>) -> tensor<4x4xf32>
  return %y : tensor<4x4xf32>
}

// -----

func.func @f(%x: tensor<4x6xf32>) -> tensor<4xf32> {
  // expected-error@+1 {{tw.transpose: [V1] permutation permutes the dimensions}}
  %y = "tw.transpose"(%x) {permutation = array<i64: 0>} : (tensor<4x6xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}
