// RUN: tilewright-opt %s -p 'tw-recover-rope' | filecheck %s

// CHECK-LABEL: func.func @halves
// CHECK: %[[R:.*]] = "tw.rope"(%arg0, %arg1, %arg2) :
// CHECK: return %[[R]]
func.func @halves(%arg0: tensor<?x8xf32, "s0, 8">, %arg1: tensor<?x8xf32, "s0, 8">, %arg2: tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8"> attributes {tw.symbols = {s0 = array<i64: 1, 64>}} {
  %0 = "tw.slice"(%arg0) {sizes = "s0, 4", starts = "0, 0", steps = array<i64: 1, 1>} : (tensor<?x8xf32, "s0, 8">) -> tensor<?x4xf32, "s0, 4">
  %1 = "tw.slice"(%arg0) {sizes = "s0, 4", starts = "0, 4", steps = array<i64: 1, 1>} : (tensor<?x8xf32, "s0, 8">) -> tensor<?x4xf32, "s0, 4">
  %2 = "tw.pointwise"(%1) ({
  ^bb0(%arg3: f32):
    %7 = arith.negf %arg3 : f32
    "tw.yield"(%7) : (f32) -> ()
  }) : (tensor<?x4xf32, "s0, 4">) -> tensor<?x4xf32, "s0, 4">
  %3 = "tw.pointwise"(%arg0, %arg1) ({
  ^bb0(%arg3: f32, %arg4: f32):
    %7 = arith.mulf %arg3, %arg4 : f32
    "tw.yield"(%7) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">, tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8">
  %4 = "tw.concat"(%2, %0) {dim = 1 : i64} : (tensor<?x4xf32, "s0, 4">, tensor<?x4xf32, "s0, 4">) -> tensor<?x8xf32, "s0, 8">
  %5 = "tw.pointwise"(%4, %arg2) ({
  ^bb0(%arg3: f32, %arg4: f32):
    %7 = arith.mulf %arg3, %arg4 : f32
    "tw.yield"(%7) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">, tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8">
  %6 = "tw.pointwise"(%3, %5) ({
  ^bb0(%arg3: f32, %arg4: f32):
    %7 = arith.addf %arg3, %arg4 : f32
    "tw.yield"(%7) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">, tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8">
  return %6 : tensor<?x8xf32, "s0, 8">
}

// Pairs of neighbours, as in GPT-J.
// CHECK-LABEL: func.func @neighbours
// CHECK: %[[R:.*]] = "tw.rope"(%arg0, %arg1, %arg2) {interleaved = true}
// CHECK: return %[[R]]
func.func @neighbours(%arg0: tensor<?x8xf32, "s0, 8">, %arg1: tensor<?x8xf32, "s0, 8">, %arg2: tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8"> attributes {tw.symbols = {s0 = array<i64: 1, 64>}} {
  %0 = "tw.slice"(%arg0) {sizes = "s0, 4", starts = "0, 0", steps = array<i64: 1, 2>} : (tensor<?x8xf32, "s0, 8">) -> tensor<?x4xf32, "s0, 4">
  %1 = "tw.slice"(%arg0) {sizes = "s0, 4", starts = "0, 1", steps = array<i64: 1, 2>} : (tensor<?x8xf32, "s0, 8">) -> tensor<?x4xf32, "s0, 4">
  %2 = "tw.pointwise"(%1) ({
  ^bb0(%arg3: f32):
    %10 = arith.negf %arg3 : f32
    "tw.yield"(%10) : (f32) -> ()
  }) : (tensor<?x4xf32, "s0, 4">) -> tensor<?x4xf32, "s0, 4">
  %3 = "tw.reshape"(%2) {shape = "s0, 4, 1"} : (tensor<?x4xf32, "s0, 4">) -> tensor<?x4x1xf32, "s0, 4, 1">
  %4 = "tw.reshape"(%0) {shape = "s0, 4, 1"} : (tensor<?x4xf32, "s0, 4">) -> tensor<?x4x1xf32, "s0, 4, 1">
  %5 = "tw.concat"(%3, %4) {dim = 2 : i64} : (tensor<?x4x1xf32, "s0, 4, 1">, tensor<?x4x1xf32, "s0, 4, 1">) -> tensor<?x4x2xf32, "s0, 4, 2">
  %6 = "tw.reshape"(%5) {shape = "s0, 8"} : (tensor<?x4x2xf32, "s0, 4, 2">) -> tensor<?x8xf32, "s0, 8">
  %7 = "tw.pointwise"(%arg0, %arg1) ({
  ^bb0(%arg3: f32, %arg4: f32):
    %10 = arith.mulf %arg3, %arg4 : f32
    "tw.yield"(%10) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">, tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8">
  %8 = "tw.pointwise"(%6, %arg2) ({
  ^bb0(%arg3: f32, %arg4: f32):
    %10 = arith.mulf %arg3, %arg4 : f32
    "tw.yield"(%10) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">, tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8">
  %9 = "tw.pointwise"(%7, %8) ({
  ^bb0(%arg3: f32, %arg4: f32):
    %10 = arith.addf %arg3, %arg4 : f32
    "tw.yield"(%10) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">, tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8">
  return %9 : tensor<?x8xf32, "s0, 8">
}

// The halves are not exchanged.
// CHECK-LABEL: func.func @not_exchanged
// CHECK-NOT: tw.rope
// CHECK: return
func.func @not_exchanged(%arg0: tensor<?x8xf32, "s0, 8">, %arg1: tensor<?x8xf32, "s0, 8">, %arg2: tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8"> attributes {tw.symbols = {s0 = array<i64: 1, 64>}} {
  %0 = "tw.slice"(%arg0) {sizes = "s0, 4", starts = "0, 0", steps = array<i64: 1, 1>} : (tensor<?x8xf32, "s0, 8">) -> tensor<?x4xf32, "s0, 4">
  %1 = "tw.slice"(%arg0) {sizes = "s0, 4", starts = "0, 4", steps = array<i64: 1, 1>} : (tensor<?x8xf32, "s0, 8">) -> tensor<?x4xf32, "s0, 4">
  %2 = "tw.pointwise"(%0) ({
  ^bb0(%arg3: f32):
    %7 = arith.negf %arg3 : f32
    "tw.yield"(%7) : (f32) -> ()
  }) : (tensor<?x4xf32, "s0, 4">) -> tensor<?x4xf32, "s0, 4">
  %3 = "tw.pointwise"(%arg0, %arg1) ({
  ^bb0(%arg3: f32, %arg4: f32):
    %7 = arith.mulf %arg3, %arg4 : f32
    "tw.yield"(%7) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">, tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8">
  %4 = "tw.concat"(%2, %1) {dim = 1 : i64} : (tensor<?x4xf32, "s0, 4">, tensor<?x4xf32, "s0, 4">) -> tensor<?x8xf32, "s0, 8">
  %5 = "tw.pointwise"(%4, %arg2) ({
  ^bb0(%arg3: f32, %arg4: f32):
    %7 = arith.mulf %arg3, %arg4 : f32
    "tw.yield"(%7) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">, tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8">
  %6 = "tw.pointwise"(%3, %5) ({
  ^bb0(%arg3: f32, %arg4: f32):
    %7 = arith.addf %arg3, %arg4 : f32
    "tw.yield"(%7) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">, tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8">
  return %6 : tensor<?x8xf32, "s0, 8">
}
