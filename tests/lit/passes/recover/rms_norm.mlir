// RUN: tilewright-opt %s -p 'tw-recover-rms-norm' | filecheck %s

// The weight comes first, as in Llama.
// CHECK-LABEL: func.func @weighted
// CHECK: %[[N:.*]] = "tw.rms_norm"(%arg0, %arg1) {eps = {{.*}}}
// CHECK: return %[[N]]
func.func @weighted(%arg0: tensor<?x8xf32, "s0, 8">, %arg1: tensor<8xf32>) -> tensor<?x8xf32, "s0, 8"> attributes {tw.symbols = {s0 = array<i64: 1, 64>}} {
  %0 = "tw.pointwise"(%arg0, %arg0) ({
  ^bb0(%arg2: f32, %arg3: f32):
    %7 = arith.mulf %arg2, %arg3 : f32
    "tw.yield"(%7) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">, tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8">
  %1 = "tw.reduce"(%0) {dims = array<i64: 1>, keep_dims = true, kind = "add"} : (tensor<?x8xf32, "s0, 8">) -> tensor<?x1xf32, "s0, 1">
  %2 = "tw.pointwise"(%1) ({
  ^bb0(%arg2: f32):
    %cst = arith.constant 1.250000e-01 : f32
    %7 = arith.mulf %arg2, %cst : f32
    "tw.yield"(%7) : (f32) -> ()
  }) : (tensor<?x1xf32, "s0, 1">) -> tensor<?x1xf32, "s0, 1">
  %3 = "tw.pointwise"(%2) ({
  ^bb0(%arg2: f32):
    %cst = arith.constant 9.99999974E-6 : f32
    %7 = arith.addf %arg2, %cst : f32
    "tw.yield"(%7) : (f32) -> ()
  }) : (tensor<?x1xf32, "s0, 1">) -> tensor<?x1xf32, "s0, 1">
  %4 = "tw.pointwise"(%3) ({
  ^bb0(%arg2: f32):
    %7 = math.rsqrt %arg2 : f32
    "tw.yield"(%7) : (f32) -> ()
  }) : (tensor<?x1xf32, "s0, 1">) -> tensor<?x1xf32, "s0, 1">
  %5 = "tw.pointwise"(%arg0, %4) ({
  ^bb0(%arg2: f32, %arg3: f32):
    %7 = arith.mulf %arg2, %arg3 : f32
    "tw.yield"(%7) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">, tensor<?x1xf32, "s0, 1">) -> tensor<?x8xf32, "s0, 8">
  %6 = "tw.pointwise"(%arg1, %5) ({
  ^bb0(%arg2: f32, %arg3: f32):
    %7 = arith.mulf %arg2, %arg3 : f32
    "tw.yield"(%7) : (f32) -> ()
  }) : (tensor<8xf32>, tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8">
  return %6 : tensor<?x8xf32, "s0, 8">
}

// Gemma adds 1 to the weight.
// CHECK-LABEL: func.func @shifted
// CHECK: %[[W:.*]] = "tw.pointwise"(%arg1)
// CHECK: "tw.rms_norm"(%arg0, %[[W]])
func.func @shifted(%arg0: tensor<?x8xf32, "s0, 8">, %arg1: tensor<8xf32>) -> tensor<?x8xf32, "s0, 8"> attributes {tw.symbols = {s0 = array<i64: 1, 64>}} {
  %0 = "tw.pointwise"(%arg0, %arg0) ({
  ^bb0(%arg2: f32, %arg3: f32):
    %8 = arith.mulf %arg2, %arg3 : f32
    "tw.yield"(%8) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">, tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8">
  %1 = "tw.reduce"(%0) {dims = array<i64: 1>, keep_dims = true, kind = "add"} : (tensor<?x8xf32, "s0, 8">) -> tensor<?x1xf32, "s0, 1">
  %2 = "tw.pointwise"(%1) ({
  ^bb0(%arg2: f32):
    %cst = arith.constant 1.250000e-01 : f32
    %8 = arith.mulf %arg2, %cst : f32
    "tw.yield"(%8) : (f32) -> ()
  }) : (tensor<?x1xf32, "s0, 1">) -> tensor<?x1xf32, "s0, 1">
  %3 = "tw.pointwise"(%2) ({
  ^bb0(%arg2: f32):
    %cst = arith.constant 9.99999974E-6 : f32
    %8 = arith.addf %arg2, %cst : f32
    "tw.yield"(%8) : (f32) -> ()
  }) : (tensor<?x1xf32, "s0, 1">) -> tensor<?x1xf32, "s0, 1">
  %4 = "tw.pointwise"(%3) ({
  ^bb0(%arg2: f32):
    %8 = math.rsqrt %arg2 : f32
    "tw.yield"(%8) : (f32) -> ()
  }) : (tensor<?x1xf32, "s0, 1">) -> tensor<?x1xf32, "s0, 1">
  %5 = "tw.pointwise"(%arg0, %4) ({
  ^bb0(%arg2: f32, %arg3: f32):
    %8 = arith.mulf %arg2, %arg3 : f32
    "tw.yield"(%8) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">, tensor<?x1xf32, "s0, 1">) -> tensor<?x8xf32, "s0, 8">
  %6 = "tw.pointwise"(%arg1) ({
  ^bb0(%arg2: f32):
    %cst = arith.constant 1.000000e+00 : f32
    %8 = arith.addf %arg2, %cst : f32
    "tw.yield"(%8) : (f32) -> ()
  }) : (tensor<8xf32>) -> tensor<8xf32>
  %7 = "tw.pointwise"(%5, %6) ({
  ^bb0(%arg2: f32, %arg3: f32):
    %8 = arith.mulf %arg2, %arg3 : f32
    "tw.yield"(%8) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">, tensor<8xf32>) -> tensor<?x8xf32, "s0, 8">
  return %7 : tensor<?x8xf32, "s0, 8">
}

// Statistics of one tensor, applied to another.
// CHECK-LABEL: func.func @other
// CHECK-NOT: tw.rms_norm
// CHECK: return
func.func @other(%arg0: tensor<?x8xf32, "s0, 8">, %arg1: tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8"> attributes {tw.symbols = {s0 = array<i64: 1, 64>}} {
  %0 = "tw.pointwise"(%arg0, %arg0) ({
  ^bb0(%arg2: f32, %arg3: f32):
    %6 = arith.mulf %arg2, %arg3 : f32
    "tw.yield"(%6) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">, tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8">
  %1 = "tw.reduce"(%0) {dims = array<i64: 1>, keep_dims = true, kind = "add"} : (tensor<?x8xf32, "s0, 8">) -> tensor<?x1xf32, "s0, 1">
  %2 = "tw.pointwise"(%1) ({
  ^bb0(%arg2: f32):
    %cst = arith.constant 1.250000e-01 : f32
    %6 = arith.mulf %arg2, %cst : f32
    "tw.yield"(%6) : (f32) -> ()
  }) : (tensor<?x1xf32, "s0, 1">) -> tensor<?x1xf32, "s0, 1">
  %3 = "tw.pointwise"(%2) ({
  ^bb0(%arg2: f32):
    %cst = arith.constant 9.99999974E-6 : f32
    %6 = arith.addf %arg2, %cst : f32
    "tw.yield"(%6) : (f32) -> ()
  }) : (tensor<?x1xf32, "s0, 1">) -> tensor<?x1xf32, "s0, 1">
  %4 = "tw.pointwise"(%3) ({
  ^bb0(%arg2: f32):
    %6 = math.rsqrt %arg2 : f32
    "tw.yield"(%6) : (f32) -> ()
  }) : (tensor<?x1xf32, "s0, 1">) -> tensor<?x1xf32, "s0, 1">
  %5 = "tw.pointwise"(%arg1, %4) ({
  ^bb0(%arg2: f32, %arg3: f32):
    %6 = arith.mulf %arg2, %arg3 : f32
    "tw.yield"(%6) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">, tensor<?x1xf32, "s0, 1">) -> tensor<?x8xf32, "s0, 8">
  return %5 : tensor<?x8xf32, "s0, 8">
}
