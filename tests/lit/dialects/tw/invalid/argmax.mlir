// RUN: tilewright-opt %s --split-input-file --verify-diagnostics

func.func @f(%x: tensor<4x8xf32>) -> tensor<4xi64> {
  // expected-error@+1 {{tw.argmax: [R1] dim is a dimension of the input}}
  %i = "tw.argmax"(%x) {dim = 2 : i64} : (tensor<4x8xf32>) -> tensor<4xi64>
  return %i : tensor<4xi64>
}

// -----

func.func @f(%x: tensor<4x8xf32>) -> tensor<4xi32> {
  // expected-error@+1 {{tw.argmax: result types do not follow from the operands}}
  %i = "tw.argmax"(%x) {dim = 1 : i64} : (tensor<4x8xf32>) -> tensor<4xi32>
  return %i : tensor<4xi32>
}
