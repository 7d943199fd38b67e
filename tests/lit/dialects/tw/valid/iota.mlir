// RUN: tilewright-opt %s | filecheck %s
// RUN: tilewright-opt %s | tilewright-opt | filecheck %s

// CHECK-LABEL: func.func @dynamic(
// CHECK: "tw.iota"
// CHECK-SAME: -> tensor<?xi64, "s0">
func.func @dynamic() -> tensor<?xi64, "s0"> attributes {tw.symbols = {s0 = array<i64: 1, 64>}} {
  %i = "tw.iota"() {shape = "s0"} : () -> tensor<?xi64, "s0">
  return %i : tensor<?xi64, "s0">
}

// CHECK-LABEL: func.func @second_dimension(
// CHECK: "tw.iota"
// CHECK-SAME: -> tensor<2x3xi32>
func.func @second_dimension() -> tensor<2x3xi32> {
  %i = "tw.iota"() {dim = 1 : i64, dtype = i32, shape = "2, 3"} : () -> tensor<2x3xi32>
  return %i : tensor<2x3xi32>
}
