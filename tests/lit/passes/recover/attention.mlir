// RUN: tilewright-opt %s -p 'tw-recover-attention' | filecheck %s

// Scale and an added mask.
// CHECK-LABEL: func.func @added_mask
// CHECK: %[[A:.*]] = "tw.attention"(%arg0, %arg1, %arg2, %arg3) {operandSegmentSizes = array<i32: 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0>, scale = 2.500000e-01 : f64}
// CHECK: return %[[A]]
func.func @added_mask(%arg0: tensor<?x2x?x8xf32, "s0, 2, s1, 8">, %arg1: tensor<?x2x?x8xf32, "s0, 2, s1, 8">, %arg2: tensor<?x2x?x8xf32, "s0, 2, s1, 8">, %arg3: tensor<?x?xf32, "s1, s1">) -> tensor<?x2x?x8xf32, "s0, 2, s1, 8"> attributes {tw.symbols = {s0 = array<i64: 1, 64>, s1 = array<i64: 1, 64>}} {
  %0 = "tw.matmul"(%arg0, %arg1) {transpose_rhs = true} : (tensor<?x2x?x8xf32, "s0, 2, s1, 8">, tensor<?x2x?x8xf32, "s0, 2, s1, 8">) -> tensor<?x2x?x?xf32, "s0, 2, s1, s1">
  %1 = "tw.pointwise"(%0) ({
  ^bb0(%arg4: f32):
    %cst = arith.constant 2.500000e-01 : f32
    %5 = arith.mulf %arg4, %cst : f32
    "tw.yield"(%5) : (f32) -> ()
  }) : (tensor<?x2x?x?xf32, "s0, 2, s1, s1">) -> tensor<?x2x?x?xf32, "s0, 2, s1, s1">
  %2 = "tw.pointwise"(%1, %arg3) ({
  ^bb0(%arg4: f32, %arg5: f32):
    %5 = arith.addf %arg4, %arg5 : f32
    "tw.yield"(%5) : (f32) -> ()
  }) : (tensor<?x2x?x?xf32, "s0, 2, s1, s1">, tensor<?x?xf32, "s1, s1">) -> tensor<?x2x?x?xf32, "s0, 2, s1, s1">
  %3 = "tw.softmax"(%2) {dim = 3 : i64} : (tensor<?x2x?x?xf32, "s0, 2, s1, s1">) -> tensor<?x2x?x?xf32, "s0, 2, s1, s1">
  %4 = "tw.matmul"(%3, %arg2) : (tensor<?x2x?x?xf32, "s0, 2, s1, s1">, tensor<?x2x?x8xf32, "s0, 2, s1, 8">) -> tensor<?x2x?x8xf32, "s0, 2, s1, 8">
  return %4 : tensor<?x2x?x8xf32, "s0, 2, s1, 8">
}

// A score that is hidden by minus infinity makes a boolean mask.
// CHECK-LABEL: func.func @selected
// CHECK: "tw.attention"(%arg0, %arg1, %arg2, %arg3)
func.func @selected(%arg0: tensor<?x2x?x8xf32, "s0, 2, s1, 8">, %arg1: tensor<?x2x?x8xf32, "s0, 2, s1, 8">, %arg2: tensor<?x2x?x8xf32, "s0, 2, s1, 8">, %arg3: tensor<?x?xi1, "s1, s1">) -> tensor<?x2x?x8xf32, "s0, 2, s1, 8"> attributes {tw.symbols = {s0 = array<i64: 1, 64>, s1 = array<i64: 1, 64>}} {
  %0 = "tw.matmul"(%arg0, %arg1) {transpose_rhs = true} : (tensor<?x2x?x8xf32, "s0, 2, s1, 8">, tensor<?x2x?x8xf32, "s0, 2, s1, 8">) -> tensor<?x2x?x?xf32, "s0, 2, s1, s1">
  %1 = "tw.pointwise"(%arg3, %0) ({
  ^bb0(%arg4: i1, %arg5: f32):
    %cst = arith.constant 0xFF800000 : f32
    %4 = arith.select %arg4, %arg5, %cst : f32
    "tw.yield"(%4) : (f32) -> ()
  }) : (tensor<?x?xi1, "s1, s1">, tensor<?x2x?x?xf32, "s0, 2, s1, s1">) -> tensor<?x2x?x?xf32, "s0, 2, s1, s1">
  %2 = "tw.softmax"(%1) {dim = 3 : i64} : (tensor<?x2x?x?xf32, "s0, 2, s1, s1">) -> tensor<?x2x?x?xf32, "s0, 2, s1, s1">
  %3 = "tw.matmul"(%2, %arg2) : (tensor<?x2x?x?xf32, "s0, 2, s1, s1">, tensor<?x2x?x8xf32, "s0, 2, s1, 8">) -> tensor<?x2x?x8xf32, "s0, 2, s1, 8">
  return %3 : tensor<?x2x?x8xf32, "s0, 2, s1, 8">
}

// The probabilities are a result too.
// CHECK-LABEL: func.func @probabilities
// CHECK-NOT: tw.attention
// CHECK: return
func.func @probabilities(%arg0: tensor<?x2x?x8xf32, "s0, 2, s1, 8">, %arg1: tensor<?x2x?x8xf32, "s0, 2, s1, 8">, %arg2: tensor<?x2x?x8xf32, "s0, 2, s1, 8">) -> (tensor<?x2x?x?xf32, "s0, 2, s1, s1">, tensor<?x2x?x8xf32, "s0, 2, s1, 8">) attributes {tw.symbols = {s0 = array<i64: 1, 64>, s1 = array<i64: 1, 64>}} {
  %0 = "tw.matmul"(%arg0, %arg1) {transpose_rhs = true} : (tensor<?x2x?x8xf32, "s0, 2, s1, 8">, tensor<?x2x?x8xf32, "s0, 2, s1, 8">) -> tensor<?x2x?x?xf32, "s0, 2, s1, s1">
  %1 = "tw.softmax"(%0) {dim = 3 : i64} : (tensor<?x2x?x?xf32, "s0, 2, s1, s1">) -> tensor<?x2x?x?xf32, "s0, 2, s1, s1">
  %2 = "tw.matmul"(%1, %arg2) : (tensor<?x2x?x?xf32, "s0, 2, s1, s1">, tensor<?x2x?x8xf32, "s0, 2, s1, 8">) -> tensor<?x2x?x8xf32, "s0, 2, s1, 8">
  return %1, %2 : tensor<?x2x?x?xf32, "s0, 2, s1, s1">, tensor<?x2x?x8xf32, "s0, 2, s1, 8">
}
