// RUN: tilewright-opt %s --split-input-file --verify-diagnostics

func.func @f() -> tensor<4xi64> {
  // expected-error@+1 {{tw.iota: [C1] dim is a dimension of the shape}}
  %i = "tw.iota"() {shape = "4", dim = 1 : i64} : () -> tensor<4xi64>
  return %i : tensor<4xi64>
}

// -----

func.func @f() -> tensor<4xf32> {
  // expected-error@+1 {{tw.iota: [C2] the element type is an integer}}
  %i = "tw.iota"() {shape = "4", dtype = f32} : () -> tensor<4xf32>
  return %i : tensor<4xf32>
}
