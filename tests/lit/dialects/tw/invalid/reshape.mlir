// RUN: tilewright-opt %s --split-input-file --verify-diagnostics

func.func @f(%x: tensor<4x6xf32>) -> tensor<5x5xf32> {
  // expected-error@+1 {{tw.reshape: [V1] the number of elements does not change}}
  %y = "tw.reshape"(%x) {shape = "5, 5"} : (tensor<4x6xf32>) -> tensor<5x5xf32>
  return %y : tensor<5x5xf32>
}

// -----

func.func @f(%x: tensor<?x?xf32, "s0, s1">) -> tensor<?x?xf32, "s0, s0"> attributes {tw.symbols = {s0 = array<i64: 1, 64>, s1 = array<i64: 1, 64>}} {
  // expected-error@+1 {{tw.reshape: [V1] the number of elements does not change}}
  %y = "tw.reshape"(%x) {shape = "s0, s0"} : (tensor<?x?xf32, "s0, s1">) -> tensor<?x?xf32, "s0, s0">
  return %y : tensor<?x?xf32, "s0, s0">
}
