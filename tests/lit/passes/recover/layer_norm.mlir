// RUN: tilewright-opt %s -p 'tw-recover-layer-norm' | filecheck %s

// CHECK-LABEL: func.func @affine
// CHECK: %[[N:.*]] = "tw.layer_norm"(%arg0, %arg1, %arg2) {eps = {{.*}}}
// CHECK: return %[[N]]
func.func @affine(%arg0: tensor<?x8xf32, "s0, 8">, %arg1: tensor<8xf32>, %arg2: tensor<8xf32>) -> tensor<?x8xf32, "s0, 8"> attributes {tw.symbols = {s0 = array<i64: 1, 64>}} {
  %0 = "tw.reduce"(%arg0) {dims = array<i64: 1>, keep_dims = true, kind = "add"} : (tensor<?x8xf32, "s0, 8">) -> tensor<?x1xf32, "s0, 1">
  %1 = "tw.pointwise"(%0) ({
  ^bb0(%arg3: f32):
    %cst = arith.constant 1.250000e-01 : f32
    %11 = arith.mulf %arg3, %cst : f32
    "tw.yield"(%11) : (f32) -> ()
  }) : (tensor<?x1xf32, "s0, 1">) -> tensor<?x1xf32, "s0, 1">
  %2 = "tw.pointwise"(%arg0, %1) ({
  ^bb0(%arg3: f32, %arg4: f32):
    %11 = arith.subf %arg3, %arg4 : f32
    "tw.yield"(%11) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">, tensor<?x1xf32, "s0, 1">) -> tensor<?x8xf32, "s0, 8">
  %3 = "tw.pointwise"(%2, %2) ({
  ^bb0(%arg3: f32, %arg4: f32):
    %11 = arith.mulf %arg3, %arg4 : f32
    "tw.yield"(%11) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">, tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8">
  %4 = "tw.reduce"(%3) {dims = array<i64: 1>, keep_dims = true, kind = "add"} : (tensor<?x8xf32, "s0, 8">) -> tensor<?x1xf32, "s0, 1">
  %5 = "tw.pointwise"(%4) ({
  ^bb0(%arg3: f32):
    %cst = arith.constant 1.250000e-01 : f32
    %11 = arith.mulf %arg3, %cst : f32
    "tw.yield"(%11) : (f32) -> ()
  }) : (tensor<?x1xf32, "s0, 1">) -> tensor<?x1xf32, "s0, 1">
  %6 = "tw.pointwise"(%5) ({
  ^bb0(%arg3: f32):
    %cst = arith.constant 9.99999974E-6 : f32
    %11 = arith.addf %arg3, %cst : f32
    "tw.yield"(%11) : (f32) -> ()
  }) : (tensor<?x1xf32, "s0, 1">) -> tensor<?x1xf32, "s0, 1">
  %7 = "tw.pointwise"(%6) ({
  ^bb0(%arg3: f32):
    %11 = math.rsqrt %arg3 : f32
    "tw.yield"(%11) : (f32) -> ()
  }) : (tensor<?x1xf32, "s0, 1">) -> tensor<?x1xf32, "s0, 1">
  %8 = "tw.pointwise"(%2, %7) ({
  ^bb0(%arg3: f32, %arg4: f32):
    %11 = arith.mulf %arg3, %arg4 : f32
    "tw.yield"(%11) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">, tensor<?x1xf32, "s0, 1">) -> tensor<?x8xf32, "s0, 8">
  %9 = "tw.pointwise"(%8, %arg1) ({
  ^bb0(%arg3: f32, %arg4: f32):
    %11 = arith.mulf %arg3, %arg4 : f32
    "tw.yield"(%11) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">, tensor<8xf32>) -> tensor<?x8xf32, "s0, 8">
  %10 = "tw.pointwise"(%9, %arg2) ({
  ^bb0(%arg3: f32, %arg4: f32):
    %11 = arith.addf %arg3, %arg4 : f32
    "tw.yield"(%11) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">, tensor<8xf32>) -> tensor<?x8xf32, "s0, 8">
  return %10 : tensor<?x8xf32, "s0, 8">
}

// CHECK-LABEL: func.func @plain
// CHECK: %[[N:.*]] = "tw.layer_norm"(%arg0) {eps = {{.*}}}
// CHECK: return %[[N]]
func.func @plain(%arg0: tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8"> attributes {tw.symbols = {s0 = array<i64: 1, 64>}} {
  %0 = "tw.reduce"(%arg0) {dims = array<i64: 1>, keep_dims = true, kind = "add"} : (tensor<?x8xf32, "s0, 8">) -> tensor<?x1xf32, "s0, 1">
  %1 = "tw.pointwise"(%0) ({
  ^bb0(%arg1: f32):
    %cst = arith.constant 1.250000e-01 : f32
    %9 = arith.mulf %arg1, %cst : f32
    "tw.yield"(%9) : (f32) -> ()
  }) : (tensor<?x1xf32, "s0, 1">) -> tensor<?x1xf32, "s0, 1">
  %2 = "tw.pointwise"(%arg0, %1) ({
  ^bb0(%arg1: f32, %arg2: f32):
    %9 = arith.subf %arg1, %arg2 : f32
    "tw.yield"(%9) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">, tensor<?x1xf32, "s0, 1">) -> tensor<?x8xf32, "s0, 8">
  %3 = "tw.pointwise"(%2, %2) ({
  ^bb0(%arg1: f32, %arg2: f32):
    %9 = arith.mulf %arg1, %arg2 : f32
    "tw.yield"(%9) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">, tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8">
  %4 = "tw.reduce"(%3) {dims = array<i64: 1>, keep_dims = true, kind = "add"} : (tensor<?x8xf32, "s0, 8">) -> tensor<?x1xf32, "s0, 1">
  %5 = "tw.pointwise"(%4) ({
  ^bb0(%arg1: f32):
    %cst = arith.constant 1.250000e-01 : f32
    %9 = arith.mulf %arg1, %cst : f32
    "tw.yield"(%9) : (f32) -> ()
  }) : (tensor<?x1xf32, "s0, 1">) -> tensor<?x1xf32, "s0, 1">
  %6 = "tw.pointwise"(%5) ({
  ^bb0(%arg1: f32):
    %cst = arith.constant 9.99999974E-6 : f32
    %9 = arith.addf %arg1, %cst : f32
    "tw.yield"(%9) : (f32) -> ()
  }) : (tensor<?x1xf32, "s0, 1">) -> tensor<?x1xf32, "s0, 1">
  %7 = "tw.pointwise"(%6) ({
  ^bb0(%arg1: f32):
    %9 = math.rsqrt %arg1 : f32
    "tw.yield"(%9) : (f32) -> ()
  }) : (tensor<?x1xf32, "s0, 1">) -> tensor<?x1xf32, "s0, 1">
  %8 = "tw.pointwise"(%2, %7) ({
  ^bb0(%arg1: f32, %arg2: f32):
    %9 = arith.mulf %arg1, %arg2 : f32
    "tw.yield"(%9) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">, tensor<?x1xf32, "s0, 1">) -> tensor<?x8xf32, "s0, 8">
  return %8 : tensor<?x8xf32, "s0, 8">
}

// The mean of another tensor.
// CHECK-LABEL: func.func @other_mean
// CHECK-NOT: tw.layer_norm
// CHECK: return
func.func @other_mean(%arg0: tensor<?x8xf32, "s0, 8">, %arg1: tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8"> attributes {tw.symbols = {s0 = array<i64: 1, 64>}} {
  %0 = "tw.reduce"(%arg1) {dims = array<i64: 1>, keep_dims = true, kind = "add"} : (tensor<?x8xf32, "s0, 8">) -> tensor<?x1xf32, "s0, 1">
  %1 = "tw.pointwise"(%0) ({
  ^bb0(%arg2: f32):
    %cst = arith.constant 1.250000e-01 : f32
    %9 = arith.mulf %arg2, %cst : f32
    "tw.yield"(%9) : (f32) -> ()
  }) : (tensor<?x1xf32, "s0, 1">) -> tensor<?x1xf32, "s0, 1">
  %2 = "tw.pointwise"(%arg0, %1) ({
  ^bb0(%arg2: f32, %arg3: f32):
    %9 = arith.subf %arg2, %arg3 : f32
    "tw.yield"(%9) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">, tensor<?x1xf32, "s0, 1">) -> tensor<?x8xf32, "s0, 8">
  %3 = "tw.pointwise"(%2, %2) ({
  ^bb0(%arg2: f32, %arg3: f32):
    %9 = arith.mulf %arg2, %arg3 : f32
    "tw.yield"(%9) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">, tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8">
  %4 = "tw.reduce"(%3) {dims = array<i64: 1>, keep_dims = true, kind = "add"} : (tensor<?x8xf32, "s0, 8">) -> tensor<?x1xf32, "s0, 1">
  %5 = "tw.pointwise"(%4) ({
  ^bb0(%arg2: f32):
    %cst = arith.constant 1.250000e-01 : f32
    %9 = arith.mulf %arg2, %cst : f32
    "tw.yield"(%9) : (f32) -> ()
  }) : (tensor<?x1xf32, "s0, 1">) -> tensor<?x1xf32, "s0, 1">
  %6 = "tw.pointwise"(%5) ({
  ^bb0(%arg2: f32):
    %cst = arith.constant 9.99999974E-6 : f32
    %9 = arith.addf %arg2, %cst : f32
    "tw.yield"(%9) : (f32) -> ()
  }) : (tensor<?x1xf32, "s0, 1">) -> tensor<?x1xf32, "s0, 1">
  %7 = "tw.pointwise"(%6) ({
  ^bb0(%arg2: f32):
    %9 = math.rsqrt %arg2 : f32
    "tw.yield"(%9) : (f32) -> ()
  }) : (tensor<?x1xf32, "s0, 1">) -> tensor<?x1xf32, "s0, 1">
  %8 = "tw.pointwise"(%2, %7) ({
  ^bb0(%arg2: f32, %arg3: f32):
    %9 = arith.mulf %arg2, %arg3 : f32
    "tw.yield"(%9) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">, tensor<?x1xf32, "s0, 1">) -> tensor<?x8xf32, "s0, 8">
  return %8 : tensor<?x8xf32, "s0, 8">
}
