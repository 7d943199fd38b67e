// RUN: tilewright-opt %s | filecheck %s
// RUN: tilewright-opt %s | tilewright-opt | filecheck %s

// CHECK-LABEL: func.func @causal_gqa(
// CHECK: "tw.attention"
// CHECK-SAME: -> tensor<1x8x16x64xf32>
func.func @causal_gqa(%q: tensor<1x8x16x64xf32>, %k: tensor<1x2x16x64xf32>, %v: tensor<1x2x16x64xf32>) -> tensor<1x8x16x64xf32> {
  %o = "tw.attention"(%q, %k, %v) {scale = 0.125 : f64, causal = true, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0>} : (tensor<1x8x16x64xf32>, tensor<1x2x16x64xf32>, tensor<1x2x16x64xf32>) -> tensor<1x8x16x64xf32>
  return %o : tensor<1x8x16x64xf32>
}

// CHECK-LABEL: func.func @mask_only(
// CHECK: "tw.attention"
// CHECK-SAME: -> tensor<1x8x16x64xf32>
func.func @mask_only(%q: tensor<1x8x16x64xf32>, %k: tensor<1x2x16x64xf32>, %v: tensor<1x2x16x64xf32>, %e0: tensor<1x1x1x16xi1>) -> tensor<1x8x16x64xf32> {
  %o = "tw.attention"(%q, %k, %v, %e0) {scale = 0.125 : f64, operandSegmentSizes = array<i32: 1, 1, 1, 1, 0, 0, 0>} : (tensor<1x8x16x64xf32>, tensor<1x2x16x64xf32>, tensor<1x2x16x64xf32>, tensor<1x1x1x16xi1>) -> tensor<1x8x16x64xf32>
  return %o : tensor<1x8x16x64xf32>
}

// CHECK-LABEL: func.func @kv_len_q_offset_sinks(
// CHECK: "tw.attention"
// CHECK-SAME: -> tensor<1x8x16x64xf32>
func.func @kv_len_q_offset_sinks(%q: tensor<1x8x16x64xf32>, %k: tensor<1x2x16x64xf32>, %v: tensor<1x2x16x64xf32>, %e0: tensor<1xi64>, %e1: tensor<1xi64>, %e2: tensor<8xf32>) -> tensor<1x8x16x64xf32> {
  %o = "tw.attention"(%q, %k, %v, %e0, %e1, %e2) {scale = 0.125 : f64, window = 4 : i64, softcap = 3.0 : f64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 1, 1, 1>} : (tensor<1x8x16x64xf32>, tensor<1x2x16x64xf32>, tensor<1x2x16x64xf32>, tensor<1xi64>, tensor<1xi64>, tensor<8xf32>) -> tensor<1x8x16x64xf32>
  return %o : tensor<1x8x16x64xf32>
}

// CHECK-LABEL: func.func @logsumexp(
// CHECK: "tw.attention"
// CHECK-SAME: -> (tensor<1x8x16x64xf32>, tensor<1x8x16xf32>)
func.func @logsumexp(%q: tensor<1x8x16x64xf32>, %k: tensor<1x2x16x64xf32>, %v: tensor<1x2x16x64xf32>) -> (tensor<1x8x16x64xf32>, tensor<1x8x16xf32>) {
  %o:2 = "tw.attention"(%q, %k, %v) {scale = 0.125 : f64, logsumexp = true, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0>} : (tensor<1x8x16x64xf32>, tensor<1x2x16x64xf32>, tensor<1x2x16x64xf32>) -> (tensor<1x8x16x64xf32>, tensor<1x8x16xf32>)
  return %o#0, %o#1 : tensor<1x8x16x64xf32>, tensor<1x8x16xf32>
}

// CHECK-LABEL: func.func @dynamic(
// CHECK: "tw.attention"
// CHECK-SAME: -> tensor<?x8x?x32xf32, "s0, 8, s1, 32">
func.func @dynamic(%q: tensor<?x8x?x64xf32, "s0, 8, s1, 64">, %k: tensor<?x8x?x64xf32, "s0, 8, s2, 64">, %v: tensor<?x8x?x32xf32, "s0, 8, s2, 32">) -> tensor<?x8x?x32xf32, "s0, 8, s1, 32"> attributes {tw.symbols = {s0 = array<i64: 1, 64>, s1 = array<i64: 1, 64>, s2 = array<i64: 1, 64>}} {
  %o = "tw.attention"(%q, %k, %v) {scale = 0.125 : f64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0>} : (tensor<?x8x?x64xf32, "s0, 8, s1, 64">, tensor<?x8x?x64xf32, "s0, 8, s2, 64">, tensor<?x8x?x32xf32, "s0, 8, s2, 32">) -> tensor<?x8x?x32xf32, "s0, 8, s1, 32">
  return %o : tensor<?x8x?x32xf32, "s0, 8, s1, 32">
}
