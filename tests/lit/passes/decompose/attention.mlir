// RUN: tilewright-opt %s -p 'tw-decompose{ops=attention},tw-simplify' | filecheck %s

// Rows of a causal mask always have a key: softmax. Two heads share a key head: their rows are one matmul.
// CHECK-LABEL: func.func @causal
// CHECK: "tw.matmul"(%{{.*}}, %arg1) {transpose_rhs = true} : (tensor<?x2x?x8xf32, "s0, 2, 2*s1, 8">, tensor<?x2x?x8xf32, "s0, 2, s1, 8">)
// CHECK: "tw.softmax"
// CHECK: "tw.matmul"(%{{.*}}, %arg2)
func.func @causal(%arg0: tensor<?x4x?x8xf32, "s0, 4, s1, 8">, %arg1: tensor<?x2x?x8xf32, "s0, 2, s1, 8">, %arg2: tensor<?x2x?x8xf32, "s0, 2, s1, 8">) -> tensor<?x4x?x8xf32, "s0, 4, s1, 8"> attributes {tw.symbols = {s0 = array<i64: 1, 64>, s1 = array<i64: 1, 64>}} {
  %0 = "tw.attention"(%arg0, %arg1, %arg2) {causal = true, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0>, scale = 5.000000e-01 : f64} : (tensor<?x4x?x8xf32, "s0, 4, s1, 8">, tensor<?x2x?x8xf32, "s0, 2, s1, 8">, tensor<?x2x?x8xf32, "s0, 2, s1, 8">) -> tensor<?x4x?x8xf32, "s0, 4, s1, 8">
  return %0 : tensor<?x4x?x8xf32, "s0, 4, s1, 8">
}

// A row may be hidden as a whole; it gives 0, not NaN.
// CHECK-LABEL: func.func @masked
// CHECK-NOT: tw.softmax
// CHECK: kind = "max"
// CHECK: kind = "add"
// CHECK: arith.select
// CHECK: tw.matmul
func.func @masked(%arg0: tensor<?x2x?x8xf32, "s0, 2, s1, 8">, %arg1: tensor<?x1x1x?xi1, "s0, 1, 1, s1">) -> tensor<?x2x?x8xf32, "s0, 2, s1, 8"> attributes {tw.symbols = {s0 = array<i64: 1, 64>, s1 = array<i64: 1, 64>}} {
  %0 = "tw.attention"(%arg0, %arg0, %arg0, %arg1) {operandSegmentSizes = array<i32: 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0>, scale = 5.000000e-01 : f64} : (tensor<?x2x?x8xf32, "s0, 2, s1, 8">, tensor<?x2x?x8xf32, "s0, 2, s1, 8">, tensor<?x2x?x8xf32, "s0, 2, s1, 8">, tensor<?x1x1x?xi1, "s0, 1, 1, s1">) -> tensor<?x2x?x8xf32, "s0, 2, s1, 8">
  return %0 : tensor<?x2x?x8xf32, "s0, 2, s1, 8">
}
