// RUN: tilewright-opt %s -p tw-simplify | filecheck %s

// A linear layer on joined rows, as GPT-2 writes it: the rows keep their dimensions, and no reshape is left.
// CHECK-LABEL: func.func @linear
// CHECK-NOT: tw.reshape
// CHECK: %[[M:.*]] = "tw.matmul"(%arg0, %arg1)
// CHECK: %[[P:.*]] = "tw.pointwise"(%[[M]], %arg2)
// CHECK: return %[[P]]
func.func @linear(%x: tensor<?x?x8xf32, "s0, s1, 8">, %w: tensor<8x4xf32>, %b: tensor<4xf32>) -> tensor<?x?x4xf32, "s0, s1, 4"> attributes {tw.symbols = {s0 = array<i64: 1, 64>, s1 = array<i64: 1, 64>}} {
  %0 = "tw.reshape"(%x) {shape = "s0*s1, 8"} : (tensor<?x?x8xf32, "s0, s1, 8">) -> tensor<?x8xf32, "s0*s1, 8">
  %1 = "tw.matmul"(%0, %w) : (tensor<?x8xf32, "s0*s1, 8">, tensor<8x4xf32>) -> tensor<?x4xf32, "s0*s1, 4">
  %2 = "tw.pointwise"(%1, %b) ({
  ^bb0(%a: f32, %c: f32):
    %r = arith.addf %a, %c : f32
    "tw.yield"(%r) : (f32) -> ()
  }) : (tensor<?x4xf32, "s0*s1, 4">, tensor<4xf32>) -> tensor<?x4xf32, "s0*s1, 4">
  %3 = "tw.reshape"(%2) {shape = "s0, s1, 4"} : (tensor<?x4xf32, "s0*s1, 4">) -> tensor<?x?x4xf32, "s0, s1, 4">
  return %3 : tensor<?x?x4xf32, "s0, s1, 4">
}

// The attention mask of an encoder stays [B, 1, 1, K], and what is always true goes.
// CHECK-LABEL: func.func @padding
// CHECK-NOT: tw.iota
// CHECK: %[[V:.*]] = "tw.pointwise"(%arg1)
// CHECK: %[[M:.*]] = "tw.reshape"(%[[V]]) {shape = "s0, 1, 1, s1"}
// CHECK: "tw.attention"(%arg0, %arg0, %arg0, %[[M]])
func.func @padding(%x: tensor<?x2x?x4xf32, "s0, 2, s1, 4">, %m: tensor<?x?xi64, "s0, s1">) -> tensor<?x2x?x4xf32, "s0, 2, s1, 4"> attributes {tw.symbols = {s0 = array<i64: 1, 64>, s1 = array<i64: 1, 64>}} {
  %0 = "tw.pointwise"(%m) ({
  ^bb0(%a: i64):
    %zero = arith.constant 0 : i64
    %r = arith.cmpi ne, %a, %zero : i64
    "tw.yield"(%r) : (i1) -> ()
  }) : (tensor<?x?xi64, "s0, s1">) -> tensor<?x?xi1, "s0, s1">
  %1 = "tw.reshape"(%0) {shape = "s0, 1, 1, s1"} : (tensor<?x?xi1, "s0, s1">) -> tensor<?x1x1x?xi1, "s0, 1, 1, s1">
  %q = "tw.iota"() {shape = "1, 1, s1, 1", dim = 2 : i64} : () -> tensor<1x1x?x1xi64, "1, 1, s1, 1">
  %2 = "tw.pointwise"(%q, %1) ({
  ^bb0(%a: i64, %b: i1):
    %zero = arith.constant 0 : i64
    %c = arith.cmpi sge, %a, %zero : i64
    %r = arith.andi %c, %b : i1
    "tw.yield"(%r) : (i1) -> ()
  }) : (tensor<1x1x?x1xi64, "1, 1, s1, 1">, tensor<?x1x1x?xi1, "s0, 1, 1, s1">) -> tensor<?x1x?x?xi1, "s0, 1, s1, s1">
  %3 = "tw.attention"(%x, %x, %x, %2) {scale = 0.5 : f64, operandSegmentSizes = array<i32: 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0>} : (tensor<?x2x?x4xf32, "s0, 2, s1, 4">, tensor<?x2x?x4xf32, "s0, 2, s1, 4">, tensor<?x2x?x4xf32, "s0, 2, s1, 4">, tensor<?x1x?x?xi1, "s0, 1, s1, s1">) -> tensor<?x2x?x4xf32, "s0, 2, s1, 4">
  return %3 : tensor<?x2x?x4xf32, "s0, 2, s1, 4">
}
