// RUN: tilewright-opt %s -p 'tw-recover-softmax' | filecheck %s

// Exponentials over their sum.
// CHECK-LABEL: func.func @softmax
// CHECK: %[[S:.*]] = "tw.softmax"(%arg0) {dim = 1 : i64}
// CHECK: return %[[S]]
func.func @softmax(%arg0: tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8"> attributes {tw.symbols = {s0 = array<i64: 1, 64>}} {
  %0 = "tw.reduce"(%arg0) {dims = array<i64: 1>, keep_dims = true, kind = "max"} : (tensor<?x8xf32, "s0, 8">) -> tensor<?x1xf32, "s0, 1">
  %1 = "tw.pointwise"(%arg0, %0) ({
  ^bb0(%arg1: f32, %arg2: f32):
    %5 = arith.subf %arg1, %arg2 : f32
    "tw.yield"(%5) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">, tensor<?x1xf32, "s0, 1">) -> tensor<?x8xf32, "s0, 8">
  %2 = "tw.pointwise"(%1) ({
  ^bb0(%arg1: f32):
    %5 = math.exp %arg1 : f32
    "tw.yield"(%5) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8">
  %3 = "tw.reduce"(%2) {dims = array<i64: 1>, keep_dims = true, kind = "add"} : (tensor<?x8xf32, "s0, 8">) -> tensor<?x1xf32, "s0, 1">
  %4 = "tw.pointwise"(%2, %3) ({
  ^bb0(%arg1: f32, %arg2: f32):
    %5 = arith.divf %arg1, %arg2 : f32
    "tw.yield"(%5) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">, tensor<?x1xf32, "s0, 1">) -> tensor<?x8xf32, "s0, 8">
  return %4 : tensor<?x8xf32, "s0, 8">
}

// CHECK-LABEL: func.func @log_softmax
// CHECK: %[[S:.*]] = "tw.softmax"(%arg0) {dim = 1 : i64, log = true}
// CHECK: return %[[S]]
func.func @log_softmax(%arg0: tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8"> attributes {tw.symbols = {s0 = array<i64: 1, 64>}} {
  %0 = "tw.reduce"(%arg0) {dims = array<i64: 1>, keep_dims = true, kind = "max"} : (tensor<?x8xf32, "s0, 8">) -> tensor<?x1xf32, "s0, 1">
  %1 = "tw.pointwise"(%arg0, %0) ({
  ^bb0(%arg1: f32, %arg2: f32):
    %6 = arith.subf %arg1, %arg2 : f32
    "tw.yield"(%6) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">, tensor<?x1xf32, "s0, 1">) -> tensor<?x8xf32, "s0, 8">
  %2 = "tw.pointwise"(%1) ({
  ^bb0(%arg1: f32):
    %6 = math.exp %arg1 : f32
    "tw.yield"(%6) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8">
  %3 = "tw.reduce"(%2) {dims = array<i64: 1>, keep_dims = true, kind = "add"} : (tensor<?x8xf32, "s0, 8">) -> tensor<?x1xf32, "s0, 1">
  %4 = "tw.pointwise"(%3) ({
  ^bb0(%arg1: f32):
    %6 = math.log %arg1 : f32
    "tw.yield"(%6) : (f32) -> ()
  }) : (tensor<?x1xf32, "s0, 1">) -> tensor<?x1xf32, "s0, 1">
  %5 = "tw.pointwise"(%1, %4) ({
  ^bb0(%arg1: f32, %arg2: f32):
    %6 = arith.subf %arg1, %arg2 : f32
    "tw.yield"(%6) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">, tensor<?x1xf32, "s0, 1">) -> tensor<?x8xf32, "s0, 8">
  return %5 : tensor<?x8xf32, "s0, 8">
}

// The sum is along another dimension than the maximum.
// CHECK-LABEL: func.func @other_dimension
// CHECK-NOT: tw.softmax
// CHECK: return
func.func @other_dimension(%arg0: tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8"> attributes {tw.symbols = {s0 = array<i64: 1, 64>}} {
  %0 = "tw.reduce"(%arg0) {dims = array<i64: 1>, keep_dims = true, kind = "max"} : (tensor<?x8xf32, "s0, 8">) -> tensor<?x1xf32, "s0, 1">
  %1 = "tw.pointwise"(%arg0, %0) ({
  ^bb0(%arg1: f32, %arg2: f32):
    %5 = arith.subf %arg1, %arg2 : f32
    "tw.yield"(%5) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">, tensor<?x1xf32, "s0, 1">) -> tensor<?x8xf32, "s0, 8">
  %2 = "tw.pointwise"(%1) ({
  ^bb0(%arg1: f32):
    %5 = math.exp %arg1 : f32
    "tw.yield"(%5) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8">
  %3 = "tw.reduce"(%2) {dims = array<i64: 0>, keep_dims = true, kind = "add"} : (tensor<?x8xf32, "s0, 8">) -> tensor<1x8xf32>
  %4 = "tw.pointwise"(%2, %3) ({
  ^bb0(%arg1: f32, %arg2: f32):
    %5 = arith.divf %arg1, %arg2 : f32
    "tw.yield"(%5) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">, tensor<1x8xf32>) -> tensor<?x8xf32, "s0, 8">
  return %4 : tensor<?x8xf32, "s0, 8">
}
