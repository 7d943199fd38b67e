// RUN: tilewright-opt %s --split-input-file --verify-diagnostics

func.func @f(%x: tensor<4x6xf32>) -> tensor<4x7xf32> {
  // expected-error@+1 {{tw.pad: [V1] low and high have one entry per dimension}}
  %y = "tw.pad"(%x) {low = "0", high = "0, 1"} : (tensor<4x6xf32>) -> tensor<4x7xf32>
  return %y : tensor<4x7xf32>
}

// -----

func.func @f(%x: tensor<4x6xf32>) -> tensor<4x6xf32> {
  // expected-error@+1 {{tw.pad: [V2] nothing is cut off}}
  %y = "tw.pad"(%x) {low = "0, -1", high = "0, 1"} : (tensor<4x6xf32>) -> tensor<4x6xf32>
  return %y : tensor<4x6xf32>
}
