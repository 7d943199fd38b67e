// RUN: tilewright-opt %s --split-input-file --verify-diagnostics

func.func @f(%c: tensor<8x4xf32>, %k: tensor<4xf32>, %p: tensor<i64>) -> tensor<8x4xf32> {
  // expected-error@+1 {{tw.state_update: [S1] value has the rank and element type of the state}}
  %n = "tw.state_update"(%c, %k, %p) {dim = 0 : i64} : (tensor<8x4xf32>, tensor<4xf32>, tensor<i64>) -> tensor<8x4xf32>
  return %n : tensor<8x4xf32>
}

// -----

func.func @f(%c: tensor<8x4xf32>, %k: tensor<1x4xf32>, %p: tensor<i64>) -> tensor<8x4xf32> {
  // expected-error@+1 {{tw.state_update: [S2] dim is a dimension of the state}}
  %n = "tw.state_update"(%c, %k, %p) {dim = 2 : i64} : (tensor<8x4xf32>, tensor<1x4xf32>, tensor<i64>) -> tensor<8x4xf32>
  return %n : tensor<8x4xf32>
}

// -----

func.func @f(%c: tensor<8x4xf32>, %k: tensor<1x4xf32>, %p: tensor<1xi64>) -> tensor<8x4xf32> {
  // expected-error@+1 {{tw.state_update: [S3] start is a rank-0 i64}}
  %n = "tw.state_update"(%c, %k, %p) {dim = 0 : i64} : (tensor<8x4xf32>, tensor<1x4xf32>, tensor<1xi64>) -> tensor<8x4xf32>
  return %n : tensor<8x4xf32>
}

// -----

func.func @f(%c: tensor<8x4xf32>, %k: tensor<1x5xf32>, %p: tensor<i64>) -> tensor<8x4xf32> {
  // expected-error@+1 {{tw.state_update: [S4] value and state agree in all other dimensions}}
  %n = "tw.state_update"(%c, %k, %p) {dim = 0 : i64} : (tensor<8x4xf32>, tensor<1x5xf32>, tensor<i64>) -> tensor<8x4xf32>
  return %n : tensor<8x4xf32>
}
