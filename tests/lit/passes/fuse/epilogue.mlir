// RUN: tilewright-opt %s -p 'tw-fuse' | filecheck %s

// A matmul takes the pointwise ops that alone use its result, and nothing that has another shape.
// CHECK-LABEL: func.func @bias_relu
func.func @bias_relu(%x: tensor<?x64xf32, "s0, 64">, %b: tensor<48xf32>) -> tensor<?x48xf32, "s0, 48"> attributes {tw.symbols = {s0 = array<i64: 1, 64>}} {
  // CHECK: %[[W:.*]] = "tw.weight"() {name = "w"}
  // CHECK: %[[K:.*]] = "tw.kernel"(%{{.*}}, %[[W]], %{{.*}}) ({
  // CHECK:   "tw.matmul"
  // CHECK:   "tw.pointwise"
  // CHECK:   "tw.pointwise"
  // CHECK:   "tw.yield"
  // CHECK-NOT: "tw.kernel"
  // CHECK: return %[[K]]
  %w = "tw.weight"() {name = "w"} : () -> tensor<64x48xf32>
  %0 = "tw.matmul"(%x, %w) : (tensor<?x64xf32, "s0, 64">, tensor<64x48xf32>) -> tensor<?x48xf32, "s0, 48">
  %1 = "tw.pointwise"(%0, %b) ({
  ^bb0(%a: f32, %c: f32):
    %r = arith.addf %a, %c : f32
    "tw.yield"(%r) : (f32) -> ()
  }) : (tensor<?x48xf32, "s0, 48">, tensor<48xf32>) -> tensor<?x48xf32, "s0, 48">
  %2 = "tw.pointwise"(%1) ({
  ^bb0(%a: f32):
    %z = arith.constant 0.0 : f32
    %r = arith.maximumf %a, %z : f32
    "tw.yield"(%r) : (f32) -> ()
  }) : (tensor<?x48xf32, "s0, 48">) -> tensor<?x48xf32, "s0, 48">
  return %2 : tensor<?x48xf32, "s0, 48">
}

// A result with a second user is stored: the user gets a kernel of its own.
// CHECK-LABEL: func.func @two_users
func.func @two_users(%x: tensor<8x64xf32>, %w: tensor<64x48xf32>) -> (tensor<8x48xf32>, tensor<8x48xf32>) {
  // CHECK: %[[M:.*]] = "tw.kernel"
  // CHECK: %[[P:.*]] = "tw.kernel"(%[[M]])
  // CHECK: return %[[M]], %[[P]]
  %0 = "tw.matmul"(%x, %w) : (tensor<8x64xf32>, tensor<64x48xf32>) -> tensor<8x48xf32>
  %1 = "tw.pointwise"(%0) ({
  ^bb0(%a: f32):
    %r = arith.negf %a : f32
    "tw.yield"(%r) : (f32) -> ()
  }) : (tensor<8x48xf32>) -> tensor<8x48xf32>
  return %0, %1 : tensor<8x48xf32>, tensor<8x48xf32>
}
