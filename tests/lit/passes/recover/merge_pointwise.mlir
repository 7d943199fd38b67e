// RUN: tilewright-opt %s -p 'tw-merge-pointwise' | filecheck %s

// CHECK-LABEL: func.func @chain
// CHECK: %[[P:.*]] = "tw.pointwise"(%arg0, %arg1) ({
// CHECK: math.exp
// CHECK: arith.mulf
// CHECK: arith.addf
// CHECK-NOT: "tw.pointwise"
// CHECK: return %[[P]]
func.func @chain(%arg0: tensor<?x8xf32, "s0, 8">, %arg1: tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8"> attributes {tw.symbols = {s0 = array<i64: 1, 64>}} {
  %0 = "tw.pointwise"(%arg0) ({
  ^bb0(%arg2: f32):
    %3 = math.exp %arg2 : f32
    "tw.yield"(%3) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8">
  %1 = "tw.pointwise"(%0) ({
  ^bb0(%arg2: f32):
    %cst = arith.constant 2.000000e+00 : f32
    %3 = arith.mulf %arg2, %cst : f32
    "tw.yield"(%3) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8">
  %2 = "tw.pointwise"(%1, %arg1) ({
  ^bb0(%arg2: f32, %arg3: f32):
    %3 = arith.addf %arg2, %arg3 : f32
    "tw.yield"(%3) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">, tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8">
  return %2 : tensor<?x8xf32, "s0, 8">
}

// A value with two users is computed once.
// CHECK-LABEL: func.func @shared
// CHECK-COUNT-3: "tw.pointwise"
// CHECK: return
func.func @shared(%arg0: tensor<?x8xf32, "s0, 8">) -> (tensor<?x8xf32, "s0, 8">, tensor<?x8xf32, "s0, 8">) attributes {tw.symbols = {s0 = array<i64: 1, 64>}} {
  %0 = "tw.pointwise"(%arg0) ({
  ^bb0(%arg1: f32):
    %3 = math.exp %arg1 : f32
    "tw.yield"(%3) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8">
  %1 = "tw.pointwise"(%0) ({
  ^bb0(%arg1: f32):
    %3 = math.sin %arg1 : f32
    "tw.yield"(%3) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8">
  %2 = "tw.pointwise"(%0) ({
  ^bb0(%arg1: f32):
    %3 = math.cos %arg1 : f32
    "tw.yield"(%3) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8">
  return %1, %2 : tensor<?x8xf32, "s0, 8">, tensor<?x8xf32, "s0, 8">
}

// A value that is broadcast is computed once.
// CHECK-LABEL: func.func @broadcast
// CHECK-COUNT-2: "tw.pointwise"
// CHECK: return
func.func @broadcast(%arg0: tensor<?x8xf32, "s0, 8">, %arg1: tensor<8xf32>) -> tensor<?x8xf32, "s0, 8"> attributes {tw.symbols = {s0 = array<i64: 1, 64>}} {
  %0 = "tw.pointwise"(%arg1) ({
  ^bb0(%arg2: f32):
    %2 = math.exp %arg2 : f32
    "tw.yield"(%2) : (f32) -> ()
  }) : (tensor<8xf32>) -> tensor<8xf32>
  %1 = "tw.pointwise"(%arg0, %0) ({
  ^bb0(%arg2: f32, %arg3: f32):
    %2 = arith.addf %arg2, %arg3 : f32
    "tw.yield"(%2) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">, tensor<8xf32>) -> tensor<?x8xf32, "s0, 8">
  return %1 : tensor<?x8xf32, "s0, 8">
}
