// RUN: tilewright-opt %s --split-input-file --verify-diagnostics

func.func @f() -> tensor<i64> attributes {tw.symbols = {s0 = array<i64: 1, 64>}} {
  // expected-error@+1 {{attribute 'expr' of tw.dim is not a size expression}}
  %n = "tw.dim"() {expr = "s0/2"} : () -> tensor<i64>
  return %n : tensor<i64>
}

// -----

func.func @f() -> tensor<i32> attributes {tw.symbols = {s0 = array<i64: 1, 64>}} {
  // expected-error@+1 {{tw.dim: result types do not follow from the operands}}
  %n = "tw.dim"() {expr = "s0"} : () -> tensor<i32>
  return %n : tensor<i32>
}
