// RUN: tilewright-opt %s --split-input-file --verify-diagnostics

func.func @f(%x: tensor<4x8xi32>) -> tensor<4x8xi32> {
  // expected-error@+1 {{tw.softmax: [N1] the input is floating point}}
  %y = "tw.softmax"(%x) {dim = 1 : i64} : (tensor<4x8xi32>) -> tensor<4x8xi32>
  return %y : tensor<4x8xi32>
}

// -----

func.func @f(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error@+1 {{tw.softmax: [N2] dim is a dimension of the input}}
  %y = "tw.softmax"(%x) {dim = -1 : i64} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}
