// RUN: tilewright-opt %s --split-input-file --verify-diagnostics

func.func @f(%x: tensor<4xf32>) -> tensor<4x6xf32> {
  // expected-error@+1 {{tw.broadcast: [V1] the input broadcasts to the shape}}
  %y = "tw.broadcast"(%x) {shape = "4, 6"} : (tensor<4xf32>) -> tensor<4x6xf32>
  return %y : tensor<4x6xf32>
}

// -----

func.func @f(%x: tensor<4xf32>) -> tensor<1xf32> {
  // expected-error@+1 {{tw.broadcast: [V1] the input broadcasts to the shape}}
  %y = "tw.broadcast"(%x) {shape = "1"} : (tensor<4xf32>) -> tensor<1xf32>
  return %y : tensor<1xf32>
}
