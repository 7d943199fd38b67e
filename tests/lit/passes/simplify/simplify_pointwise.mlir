// RUN: tilewright-opt %s -p tw-simplify-pointwise | filecheck %s

// Broadcasts and numbers disappear into the op.
// CHECK-LABEL: func.func @operands
// CHECK: %[[R:.*]] = "tw.pointwise"(%arg0, %arg1) ({
// CHECK-NEXT: ^bb0(%[[X:.*]]: f32, %[[B:.*]]: f32):
// CHECK: %[[S:.*]] = arith.addf %[[X]], %[[B]]
// CHECK-NEXT: "tw.yield"(%[[S]])
// CHECK: return %[[R]]
func.func @operands(%x: tensor<?x8xf32, "s0, 8">, %b: tensor<8xf32>) -> tensor<?x8xf32, "s0, 8"> attributes {tw.symbols = {s0 = array<i64: 1, 64>}} {
  %0 = "tw.broadcast"(%b) {shape = "s0, 8"} : (tensor<8xf32>) -> tensor<?x8xf32, "s0, 8">
  %1 = "tw.constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  %2 = "tw.pointwise"(%x, %0, %1) ({
  ^bb0(%a: f32, %c: f32, %one: f32):
    %p = arith.mulf %a, %one : f32
    %r = arith.addf %p, %c : f32
    "tw.yield"(%r) : (f32) -> ()
  }) : (tensor<?x8xf32, "s0, 8">, tensor<?x8xf32, "s0, 8">, tensor<f32>) -> tensor<?x8xf32, "s0, 8">
  return %2 : tensor<?x8xf32, "s0, 8">
}

// An index is never negative, and below its size; the mask is what is left.
// CHECK-LABEL: func.func @decided
// CHECK-NOT: "tw.pointwise"
// CHECK: %[[M:.*]] = "tw.broadcast"(%arg0) {shape = "4, s0"}
// CHECK: return %[[M]]
func.func @decided(%mask: tensor<?xi1, "s0">) -> tensor<4x?xi1, "4, s0"> attributes {tw.symbols = {s0 = array<i64: 1, 64>}} {
  %i = "tw.iota"() {shape = "s0"} : () -> tensor<?xi64, "s0">
  %n = "tw.dim"() {expr = "s0"} : () -> tensor<i64>
  %0 = "tw.pointwise"(%i, %n, %mask) ({
  ^bb0(%a: i64, %size: i64, %m: i1):
    %zero = arith.constant 0 : i64
    %low = arith.cmpi sge, %a, %zero : i64
    %high = arith.cmpi slt, %a, %size : i64
    %both = arith.andi %low, %high : i1
    %r = arith.andi %both, %m : i1
    "tw.yield"(%r) : (i1) -> ()
  }) : (tensor<?xi64, "s0">, tensor<i64>, tensor<?xi1, "s0">) -> tensor<4x?xi1, "4, s0">
  return %0 : tensor<4x?xi1, "4, s0">
}

// CHECK-LABEL: func.func @sinking
// CHECK: %[[P:.*]] = "tw.pointwise"(%arg0)
// CHECK: %[[R:.*]] = "tw.reshape"(%[[P]]) {shape = "2, 12"}
// CHECK: return %[[R]]
func.func @sinking(%x: tensor<4x6xf32>) -> tensor<2x12xf32> {
  %0 = "tw.reshape"(%x) {shape = "2, 12"} : (tensor<4x6xf32>) -> tensor<2x12xf32>
  %1 = "tw.pointwise"(%0) ({
  ^bb0(%a: f32):
    %r = math.exp %a : f32
    "tw.yield"(%r) : (f32) -> ()
  }) : (tensor<2x12xf32>) -> tensor<2x12xf32>
  return %1 : tensor<2x12xf32>
}
