// RUN: tilewright-opt %s --split-input-file --verify-diagnostics

func.func @f(%x: tensor<4x6xf32>) -> tensor<4x6xf32> {
  // expected-error@+1 {{tw.reverse: [V1] dims are distinct dimensions of the input}}
  %y = "tw.reverse"(%x) {dims = array<i64: 0, 0>} : (tensor<4x6xf32>) -> tensor<4x6xf32>
  return %y : tensor<4x6xf32>
}

// -----

func.func @f(%x: tensor<4x6xf32>) -> tensor<4x6xf32> {
  // expected-error@+1 {{tw.reverse: [V1] dims are distinct dimensions of the input}}
  %y = "tw.reverse"(%x) {dims = array<i64: 2>} : (tensor<4x6xf32>) -> tensor<4x6xf32>
  return %y : tensor<4x6xf32>
}
