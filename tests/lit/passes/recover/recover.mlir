// RUN: tilewright-opt %s -p 'tw-simplify,tw-recover' | filecheck %s

// Norm, rotary embedding, attention with repeated heads and a materialized causal mask, activation.
// CHECK-LABEL: func.func @decoder
// CHECK: %[[N:.*]] = "tw.rms_norm"(%arg0, %arg3)
// CHECK: %[[Q:.*]] = "tw.rope"(%[[N]], %arg4, %arg5)
// CHECK: %[[A:.*]] = "tw.attention"(%[[Q]], %arg1, %arg2) {causal = true, {{.*}}scale = 2.500000e-01 : f64}
// CHECK: %[[P:.*]] = "tw.pointwise"(%[[A]]) ({
// CHECK-NOT: "tw.pointwise"
// CHECK: return %[[P]]
func.func @decoder(%arg0: tensor<?x4x?x8xf32, "s0, 4, s1, 8">, %arg1: tensor<?x2x?x8xf32, "s0, 2, s1, 8">, %arg2: tensor<?x2x?x8xf32, "s0, 2, s1, 8">, %arg3: tensor<8xf32>, %arg4: tensor<?x8xf32, "s1, 8">, %arg5: tensor<?x8xf32, "s1, 8">) -> tensor<?x4x?x8xf32, "s0, 4, s1, 8"> attributes {tw.symbols = {s0 = array<i64: 1, 64>, s1 = array<i64: 1, 64>}} {
  %0 = "tw.pointwise"(%arg0, %arg0) ({
  ^bb0(%arg6: f32, %arg7: f32):
    %31 = arith.mulf %arg6, %arg7 : f32
    "tw.yield"(%31) : (f32) -> ()
  }) : (tensor<?x4x?x8xf32, "s0, 4, s1, 8">, tensor<?x4x?x8xf32, "s0, 4, s1, 8">) -> tensor<?x4x?x8xf32, "s0, 4, s1, 8">
  %1 = "tw.reduce"(%0) {dims = array<i64: 3>, keep_dims = true, kind = "add"} : (tensor<?x4x?x8xf32, "s0, 4, s1, 8">) -> tensor<?x4x?x1xf32, "s0, 4, s1, 1">
  %2 = "tw.pointwise"(%1) ({
  ^bb0(%arg6: f32):
    %cst = arith.constant 1.250000e-01 : f32
    %31 = arith.mulf %arg6, %cst : f32
    "tw.yield"(%31) : (f32) -> ()
  }) : (tensor<?x4x?x1xf32, "s0, 4, s1, 1">) -> tensor<?x4x?x1xf32, "s0, 4, s1, 1">
  %3 = "tw.pointwise"(%2) ({
  ^bb0(%arg6: f32):
    %cst = arith.constant 9.99999974E-6 : f32
    %31 = arith.addf %arg6, %cst : f32
    "tw.yield"(%31) : (f32) -> ()
  }) : (tensor<?x4x?x1xf32, "s0, 4, s1, 1">) -> tensor<?x4x?x1xf32, "s0, 4, s1, 1">
  %4 = "tw.pointwise"(%3) ({
  ^bb0(%arg6: f32):
    %31 = math.rsqrt %arg6 : f32
    "tw.yield"(%31) : (f32) -> ()
  }) : (tensor<?x4x?x1xf32, "s0, 4, s1, 1">) -> tensor<?x4x?x1xf32, "s0, 4, s1, 1">
  %5 = "tw.pointwise"(%arg0, %4) ({
  ^bb0(%arg6: f32, %arg7: f32):
    %31 = arith.mulf %arg6, %arg7 : f32
    "tw.yield"(%31) : (f32) -> ()
  }) : (tensor<?x4x?x8xf32, "s0, 4, s1, 8">, tensor<?x4x?x1xf32, "s0, 4, s1, 1">) -> tensor<?x4x?x8xf32, "s0, 4, s1, 8">
  %6 = "tw.pointwise"(%arg3, %5) ({
  ^bb0(%arg6: f32, %arg7: f32):
    %31 = arith.mulf %arg6, %arg7 : f32
    "tw.yield"(%31) : (f32) -> ()
  }) : (tensor<8xf32>, tensor<?x4x?x8xf32, "s0, 4, s1, 8">) -> tensor<?x4x?x8xf32, "s0, 4, s1, 8">
  %7 = "tw.slice"(%6) {sizes = "s0, 4, s1, 4", starts = "0, 0, 0, 0", steps = array<i64: 1, 1, 1, 1>} : (tensor<?x4x?x8xf32, "s0, 4, s1, 8">) -> tensor<?x4x?x4xf32, "s0, 4, s1, 4">
  %8 = "tw.slice"(%6) {sizes = "s0, 4, s1, 4", starts = "0, 0, 0, 4", steps = array<i64: 1, 1, 1, 1>} : (tensor<?x4x?x8xf32, "s0, 4, s1, 8">) -> tensor<?x4x?x4xf32, "s0, 4, s1, 4">
  %9 = "tw.pointwise"(%6, %arg4) ({
  ^bb0(%arg6: f32, %arg7: f32):
    %31 = arith.mulf %arg6, %arg7 : f32
    "tw.yield"(%31) : (f32) -> ()
  }) : (tensor<?x4x?x8xf32, "s0, 4, s1, 8">, tensor<?x8xf32, "s1, 8">) -> tensor<?x4x?x8xf32, "s0, 4, s1, 8">
  %10 = "tw.pointwise"(%8) ({
  ^bb0(%arg6: f32):
    %31 = arith.negf %arg6 : f32
    "tw.yield"(%31) : (f32) -> ()
  }) : (tensor<?x4x?x4xf32, "s0, 4, s1, 4">) -> tensor<?x4x?x4xf32, "s0, 4, s1, 4">
  %11 = "tw.concat"(%10, %7) {dim = 3 : i64} : (tensor<?x4x?x4xf32, "s0, 4, s1, 4">, tensor<?x4x?x4xf32, "s0, 4, s1, 4">) -> tensor<?x4x?x8xf32, "s0, 4, s1, 8">
  %12 = "tw.pointwise"(%11, %arg5) ({
  ^bb0(%arg6: f32, %arg7: f32):
    %31 = arith.mulf %arg6, %arg7 : f32
    "tw.yield"(%31) : (f32) -> ()
  }) : (tensor<?x4x?x8xf32, "s0, 4, s1, 8">, tensor<?x8xf32, "s1, 8">) -> tensor<?x4x?x8xf32, "s0, 4, s1, 8">
  %13 = "tw.pointwise"(%9, %12) ({
  ^bb0(%arg6: f32, %arg7: f32):
    %31 = arith.addf %arg6, %arg7 : f32
    "tw.yield"(%31) : (f32) -> ()
  }) : (tensor<?x4x?x8xf32, "s0, 4, s1, 8">, tensor<?x4x?x8xf32, "s0, 4, s1, 8">) -> tensor<?x4x?x8xf32, "s0, 4, s1, 8">
  %14 = "tw.reshape"(%arg1) {shape = "s0, 2, 1, s1, 8"} : (tensor<?x2x?x8xf32, "s0, 2, s1, 8">) -> tensor<?x2x1x?x8xf32, "s0, 2, 1, s1, 8">
  %15 = "tw.broadcast"(%14) {shape = "s0, 2, 2, s1, 8"} : (tensor<?x2x1x?x8xf32, "s0, 2, 1, s1, 8">) -> tensor<?x2x2x?x8xf32, "s0, 2, 2, s1, 8">
  %16 = "tw.reshape"(%15) {shape = "s0, 4, s1, 8"} : (tensor<?x2x2x?x8xf32, "s0, 2, 2, s1, 8">) -> tensor<?x4x?x8xf32, "s0, 4, s1, 8">
  %17 = "tw.matmul"(%13, %16) {transpose_rhs = true} : (tensor<?x4x?x8xf32, "s0, 4, s1, 8">, tensor<?x4x?x8xf32, "s0, 4, s1, 8">) -> tensor<?x4x?x?xf32, "s0, 4, s1, s1">
  %18 = "tw.iota"() {dim = 3 : i64, shape = "1, 1, 1, s1"} : () -> tensor<1x1x1x?xi64, "1, 1, 1, s1">
  %19 = "tw.iota"() {dim = 2 : i64, shape = "1, 1, s1, 1"} : () -> tensor<1x1x?x1xi64, "1, 1, s1, 1">
  %20 = "tw.pointwise"(%18, %19) ({
  ^bb0(%arg6: i64, %arg7: i64):
    %31 = arith.cmpi sle, %arg6, %arg7 : i64
    "tw.yield"(%31) : (i1) -> ()
  }) : (tensor<1x1x1x?xi64, "1, 1, 1, s1">, tensor<1x1x?x1xi64, "1, 1, s1, 1">) -> tensor<1x1x?x?xi1, "1, 1, s1, s1">
  %21 = "tw.pointwise"(%20) ({
  ^bb0(%arg6: i1):
    %cst = arith.constant 0.000000e+00 : f32
    %cst_0 = arith.constant -3.400000e+38 : f32
    %31 = arith.select %arg6, %cst, %cst_0 : f32
    "tw.yield"(%31) : (f32) -> ()
  }) : (tensor<1x1x?x?xi1, "1, 1, s1, s1">) -> tensor<1x1x?x?xf32, "1, 1, s1, s1">
  %22 = "tw.pointwise"(%17) ({
  ^bb0(%arg6: f32):
    %cst = arith.constant 2.500000e-01 : f32
    %31 = arith.mulf %arg6, %cst : f32
    "tw.yield"(%31) : (f32) -> ()
  }) : (tensor<?x4x?x?xf32, "s0, 4, s1, s1">) -> tensor<?x4x?x?xf32, "s0, 4, s1, s1">
  %23 = "tw.pointwise"(%22, %21) ({
  ^bb0(%arg6: f32, %arg7: f32):
    %31 = arith.addf %arg6, %arg7 : f32
    "tw.yield"(%31) : (f32) -> ()
  }) : (tensor<?x4x?x?xf32, "s0, 4, s1, s1">, tensor<1x1x?x?xf32, "1, 1, s1, s1">) -> tensor<?x4x?x?xf32, "s0, 4, s1, s1">
  %24 = "tw.softmax"(%23) {dim = 3 : i64} : (tensor<?x4x?x?xf32, "s0, 4, s1, s1">) -> tensor<?x4x?x?xf32, "s0, 4, s1, s1">
  %25 = "tw.reshape"(%arg2) {shape = "s0, 2, 1, s1, 8"} : (tensor<?x2x?x8xf32, "s0, 2, s1, 8">) -> tensor<?x2x1x?x8xf32, "s0, 2, 1, s1, 8">
  %26 = "tw.broadcast"(%25) {shape = "s0, 2, 2, s1, 8"} : (tensor<?x2x1x?x8xf32, "s0, 2, 1, s1, 8">) -> tensor<?x2x2x?x8xf32, "s0, 2, 2, s1, 8">
  %27 = "tw.reshape"(%26) {shape = "s0, 4, s1, 8"} : (tensor<?x2x2x?x8xf32, "s0, 2, 2, s1, 8">) -> tensor<?x4x?x8xf32, "s0, 4, s1, 8">
  %28 = "tw.matmul"(%24, %27) : (tensor<?x4x?x?xf32, "s0, 4, s1, s1">, tensor<?x4x?x8xf32, "s0, 4, s1, 8">) -> tensor<?x4x?x8xf32, "s0, 4, s1, 8">
  %29 = "tw.pointwise"(%28) ({
  ^bb0(%arg6: f32):
    %31 = math.exp %arg6 : f32
    "tw.yield"(%31) : (f32) -> ()
  }) : (tensor<?x4x?x8xf32, "s0, 4, s1, 8">) -> tensor<?x4x?x8xf32, "s0, 4, s1, 8">
  %30 = "tw.pointwise"(%29) ({
  ^bb0(%arg6: f32):
    %cst = arith.constant 1.000000e+00 : f32
    %31 = arith.negf %arg6 : f32
    %32 = math.exp %31 : f32
    %33 = arith.addf %cst, %32 : f32
    %34 = arith.divf %cst, %33 : f32
    %35 = arith.mulf %arg6, %34 : f32
    "tw.yield"(%35) : (f32) -> ()
  }) : (tensor<?x4x?x8xf32, "s0, 4, s1, 8">) -> tensor<?x4x?x8xf32, "s0, 4, s1, 8">
  return %30 : tensor<?x4x?x8xf32, "s0, 4, s1, 8">
}
