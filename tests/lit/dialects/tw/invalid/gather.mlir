// RUN: tilewright-opt %s --split-input-file --verify-diagnostics

func.func @f(%t: tensor<2x3x4xf32>, %i: tensor<5xi64>, %j: tensor<5xi64>) -> tensor<5x3xf32> {
  // expected-error@+1 {{tw.gather: [G1] axes are consecutive dimensions of the input, one per index tensor}}
  %y = "tw.gather"(%t, %i, %j) {axes = array<i64: 0, 2>} : (tensor<2x3x4xf32>, tensor<5xi64>, tensor<5xi64>) -> tensor<5x3xf32>
  return %y : tensor<5x3xf32>
}

// -----

func.func @f(%t: tensor<2x3x4xf32>) -> tensor<2x3x4xf32> {
  // expected-error@+1 {{tw.gather: [G1] axes are consecutive dimensions of the input, one per index tensor}}
  %y = "tw.gather"(%t) {axes = array<i64>} : (tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  return %y : tensor<2x3x4xf32>
}

// -----

func.func @f(%t: tensor<2x3x4xf32>, %i: tensor<5xi64>) -> tensor<2x3x5xf32> {
  // expected-error@+1 {{tw.gather: [G1] axes are consecutive dimensions of the input, one per index tensor}}
  %y = "tw.gather"(%t, %i) {axes = array<i64: 3>} : (tensor<2x3x4xf32>, tensor<5xi64>) -> tensor<2x3x5xf32>
  return %y : tensor<2x3x5xf32>
}

// -----

func.func @f(%t: tensor<2x3xf32>, %i: tensor<5xf32>) -> tensor<5x3xf32> {
  // expected-error@+1 {{tw.gather: [G2] index tensors are i32 or i64 and broadcast together}}
  %y = "tw.gather"(%t, %i) {axes = array<i64: 0>} : (tensor<2x3xf32>, tensor<5xf32>) -> tensor<5x3xf32>
  return %y : tensor<5x3xf32>
}

// -----

func.func @f(%t: tensor<2x3xf32>, %i: tensor<5xi64>, %j: tensor<4xi64>) -> tensor<5xf32> {
  // expected-error@+1 {{tw.gather: [G2] index tensors are i32 or i64 and broadcast together}}
  %y = "tw.gather"(%t, %i, %j) {axes = array<i64: 0, 1>} : (tensor<2x3xf32>, tensor<5xi64>, tensor<4xi64>) -> tensor<5xf32>
  return %y : tensor<5xf32>
}
