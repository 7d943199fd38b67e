// RUN: tilewright-opt %s -p 'tw-fuse' --split-input-file | filecheck %s

// Producers and consumers along the same rows share one kernel.
// CHECK-LABEL: func.func @add_norm_scale
func.func @add_norm_scale(%x: tensor<?x64xf32, "s0, 64">, %y: tensor<?x64xf32, "s0, 64">) -> tensor<?x64xf32, "s0, 64"> attributes {tw.symbols = {s0 = array<i64: 1, 64>}} {
  // CHECK: "tw.kernel"
  // CHECK: "tw.pointwise"
  // CHECK: "tw.rms_norm"
  // CHECK: "tw.pointwise"
  // CHECK-NOT: "tw.kernel"
  // CHECK: return
  %0 = "tw.pointwise"(%x, %y) ({
  ^bb0(%a: f32, %b: f32):
    %r = arith.addf %a, %b : f32
    "tw.yield"(%r) : (f32) -> ()
  }) : (tensor<?x64xf32, "s0, 64">, tensor<?x64xf32, "s0, 64">) -> tensor<?x64xf32, "s0, 64">
  %1 = "tw.rms_norm"(%0) {eps = 1.0e-6 : f64} : (tensor<?x64xf32, "s0, 64">) -> tensor<?x64xf32, "s0, 64">
  %2 = "tw.pointwise"(%1, %x) ({
  ^bb0(%a: f32, %b: f32):
    %r = arith.mulf %a, %b : f32
    "tw.yield"(%r) : (f32) -> ()
  }) : (tensor<?x64xf32, "s0, 64">, tensor<?x64xf32, "s0, 64">) -> tensor<?x64xf32, "s0, 64">
  return %2 : tensor<?x64xf32, "s0, 64">
}

// -----

// A reduction over another than the last dimension takes its producer along and ends the kernel.
// CHECK-LABEL: func.func @column_sum
func.func @column_sum(%x: tensor<4x7x64xf32>, %m: tensor<4x7x1xf32>) -> tensor<4x64xf32> {
  // CHECK: "tw.kernel"
  // CHECK: "tw.pointwise"
  // CHECK: "tw.reduce"
  // CHECK: "tw.kernel"
  // CHECK: "tw.pointwise"
  // CHECK: return
  %0 = "tw.pointwise"(%x, %m) ({
  ^bb0(%a: f32, %b: f32):
    %r = arith.mulf %a, %b : f32
    "tw.yield"(%r) : (f32) -> ()
  }) : (tensor<4x7x64xf32>, tensor<4x7x1xf32>) -> tensor<4x7x64xf32>
  %1 = "tw.reduce"(%0) {dims = array<i64: 1>, kind = "add"} : (tensor<4x7x64xf32>) -> tensor<4x64xf32>
  %2 = "tw.pointwise"(%1) ({
  ^bb0(%a: f32):
    %r = math.sqrt %a : f32
    "tw.yield"(%r) : (f32) -> ()
  }) : (tensor<4x64xf32>) -> tensor<4x64xf32>
  return %2 : tensor<4x64xf32>
}
