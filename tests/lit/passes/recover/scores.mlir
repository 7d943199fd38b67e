// RUN: tilewright-opt %s -p 'tw-recover-scores,tw-dce' | filecheck %s

// Documents and causal, in a mask of all queries and keys: read from the document numbers, with the triangle as an attribute.
// CHECK-LABEL: func.func @documents
// CHECK: %[[ROWS:.*]] = "tw.reshape"(%arg1) {shape = "s1, 1"}
// CHECK-NEXT: "tw.attention"(%arg0, %arg0, %arg0, %[[ROWS]], %arg1) ({
// CHECK-NEXT: ^bb0(%[[S:.*]]: f32, %{{.*}}: i64, %{{.*}}: i64, %{{.*}}: i64, %{{.*}}: i64, %[[X:.*]]: i64, %[[Y:.*]]: i64):
// CHECK-NEXT: %[[SAME:.*]] = arith.cmpi eq, %[[X]], %[[Y]] : i64
// CHECK-NEXT: "tw.yield"(%[[S]], %[[SAME]])
// CHECK-NEXT: }) {causal = true,
func.func @documents(%arg0: tensor<?x2x?x8xf32, "s0, 2, s1, 8">, %arg1: tensor<?xi64, "s1">) -> tensor<?x2x?x8xf32, "s0, 2, s1, 8"> attributes {tw.symbols = {s0 = array<i64: 1, 64>, s1 = array<i64: 1, 64>}} {
  %0 = "tw.iota"() {dim = 1 : i64, shape = "1, s1"} : () -> tensor<1x?xi64, "1, s1">
  %1 = "tw.iota"() {dim = 0 : i64, shape = "s1, 1"} : () -> tensor<?x1xi64, "s1, 1">
  %2 = "tw.reshape"(%arg1) {shape = "s1, 1"} : (tensor<?xi64, "s1">) -> tensor<?x1xi64, "s1, 1">
  %3 = "tw.pointwise"(%0, %1, %2, %arg1) ({
  ^bb0(%arg2: i64, %arg3: i64, %arg4: i64, %arg5: i64):
    %10 = arith.cmpi sle, %arg2, %arg3 : i64
    %11 = arith.cmpi eq, %arg4, %arg5 : i64
    %12 = arith.andi %10, %11 : i1
    "tw.yield"(%12) : (i1) -> ()
  }) : (tensor<1x?xi64, "1, s1">, tensor<?x1xi64, "s1, 1">, tensor<?x1xi64, "s1, 1">, tensor<?xi64, "s1">) -> tensor<?x?xi1, "s1, s1">
  %4 = "tw.attention"(%arg0, %arg0, %arg0, %3) {operandSegmentSizes = array<i32: 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0>, scale = 5.000000e-01 : f64} : (tensor<?x2x?x8xf32, "s0, 2, s1, 8">, tensor<?x2x?x8xf32, "s0, 2, s1, 8">, tensor<?x2x?x8xf32, "s0, 2, s1, 8">, tensor<?x?xi1, "s1, s1">) -> tensor<?x2x?x8xf32, "s0, 2, s1, 8">
  return %4 : tensor<?x2x?x8xf32, "s0, 2, s1, 8">
}

// A region that says soft cap and causal from the first key on, with fewer queries than keys.
// CHECK-LABEL: func.func @attributes
// CHECK: %[[OFFSET:.*]] = "tw.constant"() {value = dense<0> : tensor<1xi64>}
// CHECK-NEXT: "tw.attention"(%arg0, %arg1, %arg1, %[[OFFSET]]) {causal = true, {{.*}}, softcap = 2.000000e+01 : f64}
func.func @attributes(%arg0: tensor<1x2x4x8xf32>, %arg1: tensor<1x2x9x8xf32>) -> tensor<1x2x4x8xf32> {
  %0 = "tw.attention"(%arg0, %arg1, %arg1) ({
  ^bb0(%arg2: f32, %arg3: i64, %arg4: i64, %arg5: i64, %arg6: i64):
    %cap = arith.constant 2.000000e+01 : f32
    %1 = arith.divf %arg2, %cap : f32
    %2 = math.tanh %1 : f32
    %3 = arith.mulf %2, %cap : f32
    %4 = arith.cmpi sle, %arg6, %arg5 : i64
    "tw.yield"(%3, %4) : (f32, i1) -> ()
  }) {operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0>, scale = 5.000000e-01 : f64} : (tensor<1x2x4x8xf32>, tensor<1x2x9x8xf32>, tensor<1x2x9x8xf32>) -> tensor<1x2x4x8xf32>
  return %0 : tensor<1x2x4x8xf32>
}

// A tensor of all queries and keys has to be read anyway.
// CHECK-LABEL: func.func @bias
// CHECK: tw.pointwise
// CHECK: "tw.attention"
// CHECK-NOT: ^bb0
// CHECK: return
func.func @bias(%arg0: tensor<1x2x4x8xf32>, %arg1: tensor<1x2x4x4xf32>) -> tensor<1x2x4x8xf32> {
  %0 = "tw.pointwise"(%arg1) ({
  ^bb0(%arg2: f32):
    %2 = arith.addf %arg2, %arg2 : f32
    "tw.yield"(%2) : (f32) -> ()
  }) : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %1 = "tw.attention"(%arg0, %arg0, %arg0, %0) {operandSegmentSizes = array<i32: 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0>, scale = 5.000000e-01 : f64} : (tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x4xf32>) -> tensor<1x2x4x8xf32>
  return %1 : tensor<1x2x4x8xf32>
}
