// RUN: tilewright-opt %s --split-input-file --verify-diagnostics

func.func @f() -> tensor<?xf32, "s0"> attributes {tw.symbols = {s0 = array<i64: 1, 64>}} {
  // expected-error@+1 {{tw.weight: [C1] a weight has one result of static shape}}
  %w = "tw.weight"() {name = "w"} : () -> tensor<?xf32, "s0">
  return %w : tensor<?xf32, "s0">
}

// -----

func.func @f() -> tensor<4xf32> {
  // expected-error@+1 {{tw.weight: [C2] the name is not empty}}
  %w = "tw.weight"() {name = ""} : () -> tensor<4xf32>
  return %w : tensor<4xf32>
}
