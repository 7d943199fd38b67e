// RUN: tilewright-opt %s | filecheck %s
// RUN: tilewright-opt %s | tilewright-opt | filecheck %s

// CHECK-LABEL: func.func @causal_gqa(
// CHECK: "tw.attention"
// CHECK-SAME: -> tensor<1x8x16x64xf32>
func.func @causal_gqa(%q: tensor<1x8x16x64xf32>, %k: tensor<1x2x16x64xf32>, %v: tensor<1x2x16x64xf32>) -> tensor<1x8x16x64xf32> {
  %o = "tw.attention"(%q, %k, %v) {scale = 0.125 : f64, causal = true, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0>} : (tensor<1x8x16x64xf32>, tensor<1x2x16x64xf32>, tensor<1x2x16x64xf32>) -> tensor<1x8x16x64xf32>
  return %o : tensor<1x8x16x64xf32>
}

// CHECK-LABEL: func.func @mask_only(
// CHECK: "tw.attention"
// CHECK-SAME: -> tensor<1x8x16x64xf32>
func.func @mask_only(%q: tensor<1x8x16x64xf32>, %k: tensor<1x2x16x64xf32>, %v: tensor<1x2x16x64xf32>, %e0: tensor<1x1x1x16xi1>) -> tensor<1x8x16x64xf32> {
  %o = "tw.attention"(%q, %k, %v, %e0) {scale = 0.125 : f64, operandSegmentSizes = array<i32: 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0>} : (tensor<1x8x16x64xf32>, tensor<1x2x16x64xf32>, tensor<1x2x16x64xf32>, tensor<1x1x1x16xi1>) -> tensor<1x8x16x64xf32>
  return %o : tensor<1x8x16x64xf32>
}

// CHECK-LABEL: func.func @kv_len_q_offset_sinks(
// CHECK: "tw.attention"
// CHECK-SAME: -> tensor<1x8x16x64xf32>
func.func @kv_len_q_offset_sinks(%q: tensor<1x8x16x64xf32>, %k: tensor<1x2x16x64xf32>, %v: tensor<1x2x16x64xf32>, %e0: tensor<1xi64>, %e1: tensor<1xi64>, %e2: tensor<8xf32>) -> tensor<1x8x16x64xf32> {
  %o = "tw.attention"(%q, %k, %v, %e0, %e1, %e2) {scale = 0.125 : f64, window = 4 : i64, softcap = 3.0 : f64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 0>} : (tensor<1x8x16x64xf32>, tensor<1x2x16x64xf32>, tensor<1x2x16x64xf32>, tensor<1xi64>, tensor<1xi64>, tensor<8xf32>) -> tensor<1x8x16x64xf32>
  return %o : tensor<1x8x16x64xf32>
}

// CHECK-LABEL: func.func @logsumexp(
// CHECK: "tw.attention"
// CHECK-SAME: -> (tensor<1x8x16x64xf32>, tensor<1x8x16xf32>)
func.func @logsumexp(%q: tensor<1x8x16x64xf32>, %k: tensor<1x2x16x64xf32>, %v: tensor<1x2x16x64xf32>) -> (tensor<1x8x16x64xf32>, tensor<1x8x16xf32>) {
  %o:2 = "tw.attention"(%q, %k, %v) {scale = 0.125 : f64, logsumexp = true, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0>} : (tensor<1x8x16x64xf32>, tensor<1x2x16x64xf32>, tensor<1x2x16x64xf32>) -> (tensor<1x8x16x64xf32>, tensor<1x8x16xf32>)
  return %o#0, %o#1 : tensor<1x8x16x64xf32>, tensor<1x8x16xf32>
}

// CHECK-LABEL: func.func @dynamic(
// CHECK: "tw.attention"
// CHECK-SAME: -> tensor<?x8x?x32xf32, "s0, 8, s1, 32">
func.func @dynamic(%q: tensor<?x8x?x64xf32, "s0, 8, s1, 64">, %k: tensor<?x8x?x64xf32, "s0, 8, s2, 64">, %v: tensor<?x8x?x32xf32, "s0, 8, s2, 32">) -> tensor<?x8x?x32xf32, "s0, 8, s1, 32"> attributes {tw.symbols = {s0 = array<i64: 1, 64>, s1 = array<i64: 1, 64>, s2 = array<i64: 1, 64>}} {
  %o = "tw.attention"(%q, %k, %v) {scale = 0.125 : f64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0>} : (tensor<?x8x?x64xf32, "s0, 8, s1, 64">, tensor<?x8x?x64xf32, "s0, 8, s2, 64">, tensor<?x8x?x32xf32, "s0, 8, s2, 32">) -> tensor<?x8x?x32xf32, "s0, 8, s1, 32">
  return %o : tensor<?x8x?x32xf32, "s0, 8, s1, 32">
}

// CHECK-LABEL: func.func @alibi(
// CHECK: "tw.attention"
// CHECK: arith.mulf
// CHECK: "tw.yield"
func.func @alibi(%q: tensor<1x8x16x64xf32>, %k: tensor<1x2x16x64xf32>, %slopes: tensor<8x1x1xf32>) -> tensor<1x8x16x64xf32> {
  %o = "tw.attention"(%q, %k, %k, %slopes) ({
  ^bb0(%score: f32, %b: i64, %h: i64, %i: i64, %j: i64, %slope: f32):
    %distance = arith.subi %j, %i : i64
    %far = arith.sitofp %distance : i64 to f32
    %bias = arith.mulf %slope, %far : f32
    %sum = arith.addf %score, %bias : f32
    %seen = arith.cmpi sle, %j, %i : i64
    "tw.yield"(%sum, %seen) : (f32, i1) -> ()
  }) {scale = 0.125 : f64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1>} : (tensor<1x8x16x64xf32>, tensor<1x2x16x64xf32>, tensor<1x2x16x64xf32>, tensor<8x1x1xf32>) -> tensor<1x8x16x64xf32>
  return %o : tensor<1x8x16x64xf32>
}

// CHECK-LABEL: func.func @paged(
// CHECK: "tw.attention"
// CHECK-SAME: tensor<3x5xi32>
func.func @paged(%q: tensor<3x8x1x64xf32>, %k: tensor<9x2x16x64xi8>, %s: tensor<9x2x16xf32>, %n: tensor<3xi64>, %t: tensor<3x5xi32>) -> tensor<3x8x1x64xf32> {
  %o = "tw.attention"(%q, %k, %k, %n, %t, %s, %s) {scale = 0.125 : f64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 1, 0, 0, 1, 1, 1, 0>} : (tensor<3x8x1x64xf32>, tensor<9x2x16x64xi8>, tensor<9x2x16x64xi8>, tensor<3xi64>, tensor<3x5xi32>, tensor<9x2x16xf32>, tensor<9x2x16xf32>) -> tensor<3x8x1x64xf32>
  return %o : tensor<3x8x1x64xf32>
}
