// RUN: tilewright-opt %s -p 'tw-recover-activations' | filecheck %s

// x * sigmoid(x): one division.
// CHECK-LABEL: func.func @silu
// CHECK: ^bb0(%[[X:.*]]: f32):
// CHECK: %[[N:.*]] = arith.negf %[[X]]
// CHECK: %[[E:.*]] = math.exp %[[N]]
// CHECK: %[[D:.*]] = arith.addf %[[E]]
// CHECK: %[[Y:.*]] = arith.divf %[[X]], %[[D]]
// CHECK: "tw.yield"(%[[Y]])
func.func @silu(%arg0: tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8"> attributes {tw.symbols = {s0 = array<i64: 1, 64>}} {
  %0 = "tw.pointwise"(%arg0) ({
  ^bb0(%arg1: f32):
    %cst = arith.constant 1.000000e+00 : f32
    %1 = arith.negf %arg1 : f32
    %2 = math.exp %1 : f32
    %3 = arith.addf %cst, %2 : f32
    %4 = arith.divf %cst, %3 : f32
    %5 = arith.mulf %arg1, %4 : f32
    "tw.yield"(%5) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8">
  return %0 : tensor<?x8xf32, "s0, 8">
}

// An exponential instead of a tanh.
// CHECK-LABEL: func.func @tanh_gelu
// CHECK-NOT: math.tanh
// CHECK: math.exp
// CHECK: arith.divf
// CHECK: return
func.func @tanh_gelu(%arg0: tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8"> attributes {tw.symbols = {s0 = array<i64: 1, 64>}} {
  %0 = "tw.pointwise"(%arg0) ({
  ^bb0(%arg1: f32):
    %1 = arith.mulf %arg1, %arg1 : f32
    %2 = arith.mulf %1, %arg1 : f32
    %cst = arith.constant 4.471500e-02 : f32
    %3 = arith.mulf %2, %cst : f32
    %4 = arith.addf %arg1, %3 : f32
    %cst_0 = arith.constant 0.797884583 : f32
    %5 = arith.mulf %4, %cst_0 : f32
    %cst_1 = arith.constant 5.000000e-01 : f32
    %6 = arith.mulf %arg1, %cst_1 : f32
    %7 = math.tanh %5 : f32
    %cst_2 = arith.constant 1.000000e+00 : f32
    %8 = arith.addf %7, %cst_2 : f32
    %9 = arith.mulf %6, %8 : f32
    "tw.yield"(%9) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8">
  return %0 : tensor<?x8xf32, "s0, 8">
}

// One association, whichever was written.
// CHECK-LABEL: func.func @erf_gelu
// CHECK: ^bb0(%[[X:.*]]: f32):
// CHECK: %[[H:.*]] = arith.mulf %[[X]], %{{.*}}
// CHECK: %[[S:.*]] = arith.mulf %[[X]], %{{.*}}
// CHECK: %[[E:.*]] = math.erf %[[S]]
// CHECK: %[[C:.*]] = arith.addf %[[E]]
// CHECK: arith.mulf %[[H]], %[[C]]
func.func @erf_gelu(%arg0: tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8"> attributes {tw.symbols = {s0 = array<i64: 1, 64>}} {
  %0 = "tw.pointwise"(%arg0) ({
  ^bb0(%arg1: f32):
    %cst = arith.constant 5.000000e-01 : f32
    %cst_0 = arith.constant 1.000000e+00 : f32
    %cst_1 = arith.constant 1.41421354 : f32
    %1 = arith.divf %arg1, %cst_1 : f32
    %2 = math.erf %1 : f32
    %3 = arith.addf %cst_0, %2 : f32
    %4 = arith.mulf %3, %arg1 : f32
    %5 = arith.mulf %cst, %4 : f32
    "tw.yield"(%5) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8">
  return %0 : tensor<?x8xf32, "s0, 8">
}
