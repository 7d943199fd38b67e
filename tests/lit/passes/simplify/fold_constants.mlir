// RUN: tilewright-opt %s -p tw-fold-constants | filecheck %s

// CHECK-LABEL: func.func @evaluated
// CHECK-NEXT: %[[C:.*]] = "tw.constant"() {value = dense<6.000000e+00> : tensor<f32>}
// CHECK-NEXT: return %[[C]]
func.func @evaluated() -> tensor<f32> {
  %0 = "tw.constant"() {value = dense<[1.0, 2.0, 3.0]> : tensor<3xf32>} : () -> tensor<3xf32>
  %1 = "tw.reduce"(%0) {dims = array<i64: 0>, kind = "add"} : (tensor<3xf32>) -> tensor<f32>
  return %1 : tensor<f32>
}

// One number stays one number, whatever its size.
// CHECK-LABEL: func.func @splat
// CHECK-NEXT: %[[F:.*]] = "tw.pointwise"() ({
// CHECK-NEXT: arith.constant 0.000000e+00
// CHECK: return %[[F]] : tensor<8x?xf32, "8, s0">
func.func @splat(%x: tensor<?xf32, "s0">) -> tensor<8x?xf32, "8, s0"> attributes {tw.symbols = {s0 = array<i64: 1, 64>}} {
  %0 = "tw.constant"() {value = dense<0.0> : tensor<f32>} : () -> tensor<f32>
  %1 = "tw.broadcast"(%0) {shape = "s0, 8"} : (tensor<f32>) -> tensor<?x8xf32, "s0, 8">
  %2 = "tw.transpose"(%1) {permutation = array<i64: 1, 0>} : (tensor<?x8xf32, "s0, 8">) -> tensor<8x?xf32, "8, s0">
  return %2 : tensor<8x?xf32, "8, s0">
}

// CHECK-LABEL: func.func @positions
// CHECK-DAG: "tw.constant"() {value = dense<7> : tensor<i64>}
// CHECK-DAG: "tw.iota"() {dim = 2 : i64, shape = "1, 1, s0"}
func.func @positions(%x: tensor<?xf32, "s0">) -> (tensor<i64>, tensor<1x1x?xi64, "1, 1, s0">) attributes {tw.symbols = {s0 = array<i64: 1, 64>}} {
  %0 = "tw.dim"() {expr = "7"} : () -> tensor<i64>
  %1 = "tw.iota"() {shape = "64"} : () -> tensor<64xi64>
  %2 = "tw.slice"(%1) {starts = "0", sizes = "s0", steps = array<i64: 1>} : (tensor<64xi64>) -> tensor<?xi64, "s0">
  %3 = "tw.reshape"(%2) {shape = "1, 1, s0"} : (tensor<?xi64, "s0">) -> tensor<1x1x?xi64, "1, 1, s0">
  return %0, %3 : tensor<i64>, tensor<1x1x?xi64, "1, 1, s0">
}
