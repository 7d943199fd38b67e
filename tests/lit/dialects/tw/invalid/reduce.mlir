// RUN: tilewright-opt %s --split-input-file --verify-diagnostics

func.func @f(%x: tensor<4x8xf32>) -> tensor<4xf32> {
  // expected-error@+1 {{tw.reduce: [R1] dims are distinct dimensions of the input}}
  %s = "tw.reduce"(%x) {dims = array<i64: 1, 1>, kind = "add"} : (tensor<4x8xf32>) -> tensor<4xf32>
  return %s : tensor<4xf32>
}

// -----

func.func @f(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error@+1 {{tw.reduce: [R1] dims are distinct dimensions of the input}}
  %s = "tw.reduce"(%x) {dims = array<i64>, kind = "add"} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return %s : tensor<4x8xf32>
}

// -----

func.func @f(%x: tensor<4x8xf32>) -> tensor<4xf32> {
  // expected-error@+1 {{tw.reduce: [R2] kind is one of add, mul, max, min, and, or}}
  %s = "tw.reduce"(%x) {dims = array<i64: 1>, kind = "mean"} : (tensor<4x8xf32>) -> tensor<4xf32>
  return %s : tensor<4xf32>
}

// -----

func.func @f(%x: tensor<4x8xf32>) -> tensor<4xf32> {
  // expected-error@+1 {{tw.reduce: [R3] and, or need integers}}
  %s = "tw.reduce"(%x) {dims = array<i64: 1>, kind = "or"} : (tensor<4x8xf32>) -> tensor<4xf32>
  return %s : tensor<4xf32>
}
