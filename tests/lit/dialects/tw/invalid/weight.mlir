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

// -----

func.func @f() -> tensor<4xf32> {
  // expected-error@+1 {{tw.weight: [C3] a layout has a kind, and the dtype that it casts to, if any, is that of the result}}
  %w = "tw.weight"() {layout = {dtype = "bf16", kind = "plain"}, name = "w"} : () -> tensor<4xf32>
  return %w : tensor<4xf32>
}

// -----

func.func @f() -> tensor<4xbf16> {
  // expected-error@+1 {{tw.weight: [C3] a layout has a kind, and the dtype that it casts to, if any, is that of the result}}
  %w = "tw.weight"() {layout = {dtype = "bf16"}, name = "w"} : () -> tensor<4xbf16>
  return %w : tensor<4xbf16>
}
