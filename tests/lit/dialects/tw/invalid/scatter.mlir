// RUN: tilewright-opt %s --split-input-file --verify-diagnostics

func.func @f(%x: tensor<100x8xf32>, %u: tensor<4x8xf32>, %i: tensor<4xi64>) -> tensor<100x8xf32> {
  // expected-error@+1 {{tw.scatter: [G1] axes are consecutive dimensions of the input}}
  %y = "tw.scatter"(%x, %u, %i) {axes = array<i64: -1>} : (tensor<100x8xf32>, tensor<4x8xf32>, tensor<4xi64>) -> tensor<100x8xf32>
  return %y : tensor<100x8xf32>
}

// -----

func.func @f(%x: tensor<100x8xf32>, %u: tensor<4x8xf32>, %i: tensor<4xi8>) -> tensor<100x8xf32> {
  // expected-error@+1 {{tw.scatter: [G2] index tensors are i32 or i64}}
  %y = "tw.scatter"(%x, %u, %i) {axes = array<i64: 0>} : (tensor<100x8xf32>, tensor<4x8xf32>, tensor<4xi8>) -> tensor<100x8xf32>
  return %y : tensor<100x8xf32>
}

// -----

func.func @f(%x: tensor<100x8xf32>, %u: tensor<4x8xf32>, %i: tensor<4xi64>) -> tensor<100x8xf32> {
  // expected-error@+1 {{tw.scatter: [G3] kind is set or add}}
  %y = "tw.scatter"(%x, %u, %i) {axes = array<i64: 0>, kind = "max"} : (tensor<100x8xf32>, tensor<4x8xf32>, tensor<4xi64>) -> tensor<100x8xf32>
  return %y : tensor<100x8xf32>
}

// -----

func.func @f(%x: tensor<100x8xf32>, %u: tensor<5x8xf32>, %i: tensor<4xi64>) -> tensor<100x8xf32> {
  // expected-error@+1 {{tw.scatter: [G4] updates have the element type of the input and broadcast to the selection}}
  %y = "tw.scatter"(%x, %u, %i) {axes = array<i64: 0>} : (tensor<100x8xf32>, tensor<5x8xf32>, tensor<4xi64>) -> tensor<100x8xf32>
  return %y : tensor<100x8xf32>
}

// -----

func.func @f(%x: tensor<100x8xf32>, %u: tensor<4x8xf16>, %i: tensor<4xi64>) -> tensor<100x8xf32> {
  // expected-error@+1 {{tw.scatter: [G4] updates have the element type of the input and broadcast to the selection}}
  %y = "tw.scatter"(%x, %u, %i) {axes = array<i64: 0>} : (tensor<100x8xf32>, tensor<4x8xf16>, tensor<4xi64>) -> tensor<100x8xf32>
  return %y : tensor<100x8xf32>
}
