// RUN: tilewright-opt %s --split-input-file --verify-diagnostics

func.func @f() -> tensor<4xf32> {
  // expected-error@+1 {{tw.concat: [V1] there is at least one input}}
  %y = "tw.concat"() {dim = 0 : i64} : () -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

func.func @f(%a: tensor<4x6xf32>, %b: tensor<2x5xf32>) -> tensor<6x6xf32> {
  // expected-error@+1 {{tw.concat: [V2] inputs agree in element type and in all other dimensions}}
  %y = "tw.concat"(%a, %b) {dim = 0 : i64} : (tensor<4x6xf32>, tensor<2x5xf32>) -> tensor<6x6xf32>
  return %y : tensor<6x6xf32>
}

// -----

func.func @f(%a: tensor<4x6xf32>, %b: tensor<2x6xf64>) -> tensor<6x6xf32> {
  // expected-error@+1 {{tw.concat: [V2] inputs agree in element type and in all other dimensions}}
  %y = "tw.concat"(%a, %b) {dim = 0 : i64} : (tensor<4x6xf32>, tensor<2x6xf64>) -> tensor<6x6xf32>
  return %y : tensor<6x6xf32>
}

// -----

func.func @f(%a: tensor<4x6xf32>) -> tensor<4x6xf32> {
  // expected-error@+1 {{tw.concat: [V2] inputs agree in element type and in all other dimensions}}
  %y = "tw.concat"(%a) {dim = 2 : i64} : (tensor<4x6xf32>) -> tensor<4x6xf32>
  return %y : tensor<4x6xf32>
}
