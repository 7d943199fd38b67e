// RUN: tilewright-opt %s | filecheck %s
// RUN: tilewright-opt %s | tilewright-opt | filecheck %s

// CHECK-LABEL: func.func @scaled(
// CHECK: "tw.rms_norm"
// CHECK-SAME: -> tensor<4x8xf32>
func.func @scaled(%x: tensor<4x8xf32>, %w: tensor<8xf32>) -> tensor<4x8xf32> {
  %y = "tw.rms_norm"(%x, %w) {eps = 1.0e-6 : f64} : (tensor<4x8xf32>, tensor<8xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// CHECK-LABEL: func.func @plain(
// CHECK: "tw.rms_norm"
// CHECK-SAME: -> tensor<?x8xbf16, "s0, 8">
func.func @plain(%x: tensor<?x8xbf16, "s0, 8">) -> tensor<?x8xbf16, "s0, 8"> attributes {tw.symbols = {s0 = array<i64: 1, 64>}} {
  %y = "tw.rms_norm"(%x) {eps = 1.0e-6 : f64} : (tensor<?x8xbf16, "s0, 8">) -> tensor<?x8xbf16, "s0, 8">
  return %y : tensor<?x8xbf16, "s0, 8">
}
