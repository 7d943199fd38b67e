// RUN: tilewright-opt %s | filecheck %s
// RUN: tilewright-opt %s | tilewright-opt | filecheck %s

// CHECK-LABEL: func.func @product(
// CHECK: "tw.dim"
// CHECK-SAME: -> tensor<i64>
func.func @product() -> tensor<i64> attributes {tw.symbols = {s0 = array<i64: 1, 64>, s1 = array<i64: 1, 64>}} {
  %n = "tw.dim"() {expr = "s0*s1"} : () -> tensor<i64>
  return %n : tensor<i64>
}
