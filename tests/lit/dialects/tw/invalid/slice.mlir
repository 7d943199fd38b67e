// RUN: tilewright-opt %s --split-input-file --verify-diagnostics

func.func @f(%x: tensor<4x6xf32>) -> tensor<4x3xf32> {
  // expected-error@+1 {{tw.slice: [V1] starts, sizes and steps stay inside the input}}
  %y = "tw.slice"(%x) {starts = "0, 4", sizes = "4, 3", steps = array<i64: 1, 1>} : (tensor<4x6xf32>) -> tensor<4x3xf32>
  return %y : tensor<4x3xf32>
}

// -----

func.func @f(%x: tensor<4x6xf32>) -> tensor<4x3xf32> {
  // expected-error@+1 {{tw.slice: [V1] starts, sizes and steps stay inside the input}}
  %y = "tw.slice"(%x) {starts = "0, 0", sizes = "4, 3", steps = array<i64: 1, 0>} : (tensor<4x6xf32>) -> tensor<4x3xf32>
  return %y : tensor<4x3xf32>
}

// -----

func.func @f(%x: tensor<4x6xf32>) -> tensor<4x6xf32> {
  // expected-error@+1 {{tw.slice: [V1] starts, sizes and steps stay inside the input}}
  %y = "tw.slice"(%x) {starts = "0", sizes = "4", steps = array<i64: 1>} : (tensor<4x6xf32>) -> tensor<4x6xf32>
  return %y : tensor<4x6xf32>
}

// -----

func.func @f(%x: tensor<4x6xf32>) -> tensor<2x6xf32> {
  // expected-error@+1 {{tw.slice: [V1] starts, sizes and steps stay inside the input}}
  %y = "tw.slice"(%x) {starts = "-1, 0", sizes = "2, 6", steps = array<i64: 1, 1>} : (tensor<4x6xf32>) -> tensor<2x6xf32>
  return %y : tensor<2x6xf32>
}
