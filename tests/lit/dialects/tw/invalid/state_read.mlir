// RUN: tilewright-opt %s --split-input-file --verify-diagnostics

func.func @f() -> tensor<?x8xf32, "s0, 8"> attributes {tw.symbols = {s0 = array<i64: 1, 64>}} {
  // expected-error@+1 {{tw.state_read: [S1] a state has one result of static shape}}
  %c = "tw.state_read"() {name = "cache"} : () -> tensor<?x8xf32, "s0, 8">
  return %c : tensor<?x8xf32, "s0, 8">
}
