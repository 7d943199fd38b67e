// RUN: tilewright-opt %s -p 'tw-recover-masks,tw-dce' | filecheck %s

// Causal, a window of 8, and padding, in one mask.
// CHECK-LABEL: func.func @conjunction
// CHECK-NOT: tw.iota
// CHECK: "tw.attention"(%arg0, %arg0, %arg0, %arg1) {causal = true, operandSegmentSizes = array<i32: 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0>, scale = 5.000000e-01 : f64, window = 8 : i64}
func.func @conjunction(%arg0: tensor<?x2x?x8xf32, "s0, 2, s1, 8">, %arg1: tensor<?x1x1x?xi1, "s0, 1, 1, s1">) -> tensor<?x2x?x8xf32, "s0, 2, s1, 8"> attributes {tw.symbols = {s0 = array<i64: 1, 64>, s1 = array<i64: 1, 64>}} {
  %0 = "tw.iota"() {dim = 3 : i64, shape = "1, 1, 1, s1"} : () -> tensor<1x1x1x?xi64, "1, 1, 1, s1">
  %1 = "tw.iota"() {dim = 2 : i64, shape = "1, 1, s1, 1"} : () -> tensor<1x1x?x1xi64, "1, 1, s1, 1">
  %2 = "tw.pointwise"(%0, %1) ({
  ^bb0(%arg2: i64, %arg3: i64):
    %10 = arith.cmpi sle, %arg2, %arg3 : i64
    "tw.yield"(%10) : (i1) -> ()
  }) : (tensor<1x1x1x?xi64, "1, 1, 1, s1">, tensor<1x1x?x1xi64, "1, 1, s1, 1">) -> tensor<1x1x?x?xi1, "1, 1, s1, s1">
  %3 = "tw.iota"() {dim = 3 : i64, shape = "1, 1, 1, s1"} : () -> tensor<1x1x1x?xi64, "1, 1, 1, s1">
  %4 = "tw.iota"() {dim = 2 : i64, shape = "1, 1, s1, 1"} : () -> tensor<1x1x?x1xi64, "1, 1, s1, 1">
  %5 = "tw.pointwise"(%4) ({
  ^bb0(%arg2: i64):
    %c-8_i64 = arith.constant -8 : i64
    %10 = arith.addi %arg2, %c-8_i64 : i64
    "tw.yield"(%10) : (i64) -> ()
  }) : (tensor<1x1x?x1xi64, "1, 1, s1, 1">) -> tensor<1x1x?x1xi64, "1, 1, s1, 1">
  %6 = "tw.pointwise"(%3, %5) ({
  ^bb0(%arg2: i64, %arg3: i64):
    %10 = arith.cmpi sgt, %arg2, %arg3 : i64
    "tw.yield"(%10) : (i1) -> ()
  }) : (tensor<1x1x1x?xi64, "1, 1, 1, s1">, tensor<1x1x?x1xi64, "1, 1, s1, 1">) -> tensor<1x1x?x?xi1, "1, 1, s1, s1">
  %7 = "tw.pointwise"(%2, %6) ({
  ^bb0(%arg2: i1, %arg3: i1):
    %10 = arith.andi %arg2, %arg3 : i1
    "tw.yield"(%10) : (i1) -> ()
  }) : (tensor<1x1x?x?xi1, "1, 1, s1, s1">, tensor<1x1x?x?xi1, "1, 1, s1, s1">) -> tensor<1x1x?x?xi1, "1, 1, s1, s1">
  %8 = "tw.pointwise"(%7, %arg1) ({
  ^bb0(%arg2: i1, %arg3: i1):
    %10 = arith.andi %arg2, %arg3 : i1
    "tw.yield"(%10) : (i1) -> ()
  }) : (tensor<1x1x?x?xi1, "1, 1, s1, s1">, tensor<?x1x1x?xi1, "s0, 1, 1, s1">) -> tensor<?x1x?x?xi1, "s0, 1, s1, s1">
  %9 = "tw.attention"(%arg0, %arg0, %arg0, %8) {operandSegmentSizes = array<i32: 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0>, scale = 5.000000e-01 : f64} : (tensor<?x2x?x8xf32, "s0, 2, s1, 8">, tensor<?x2x?x8xf32, "s0, 2, s1, 8">, tensor<?x2x?x8xf32, "s0, 2, s1, 8">, tensor<?x1x?x?xi1, "s0, 1, s1, s1">) -> tensor<?x2x?x8xf32, "s0, 2, s1, 8">
  return %9 : tensor<?x2x?x8xf32, "s0, 2, s1, 8">
}

// CHECK-LABEL: func.func @causal
// CHECK: "tw.attention"(%arg0, %arg0, %arg0) {causal = true
func.func @causal(%arg0: tensor<?x2x?x8xf32, "s0, 2, s1, 8">) -> tensor<?x2x?x8xf32, "s0, 2, s1, 8"> attributes {tw.symbols = {s0 = array<i64: 1, 64>, s1 = array<i64: 1, 64>}} {
  %0 = "tw.iota"() {dim = 3 : i64, shape = "1, 1, 1, s1"} : () -> tensor<1x1x1x?xi64, "1, 1, 1, s1">
  %1 = "tw.iota"() {dim = 2 : i64, shape = "1, 1, s1, 1"} : () -> tensor<1x1x?x1xi64, "1, 1, s1, 1">
  %2 = "tw.pointwise"(%0, %1) ({
  ^bb0(%arg1: i64, %arg2: i64):
    %4 = arith.cmpi sle, %arg1, %arg2 : i64
    "tw.yield"(%4) : (i1) -> ()
  }) : (tensor<1x1x1x?xi64, "1, 1, 1, s1">, tensor<1x1x?x1xi64, "1, 1, s1, 1">) -> tensor<1x1x?x?xi1, "1, 1, s1, s1">
  %3 = "tw.attention"(%arg0, %arg0, %arg0, %2) {operandSegmentSizes = array<i32: 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0>, scale = 5.000000e-01 : f64} : (tensor<?x2x?x8xf32, "s0, 2, s1, 8">, tensor<?x2x?x8xf32, "s0, 2, s1, 8">, tensor<?x2x?x8xf32, "s0, 2, s1, 8">, tensor<1x1x?x?xi1, "1, 1, s1, s1">) -> tensor<?x2x?x8xf32, "s0, 2, s1, 8">
  return %3 : tensor<?x2x?x8xf32, "s0, 2, s1, 8">
}

// An added mask with a finite number: every row of a causal mask has a visible key.
// CHECK-LABEL: func.func @added
// CHECK: "tw.attention"(%arg0, %arg0, %arg0) {causal = true
func.func @added(%arg0: tensor<?x2x?x8xf32, "s0, 2, s1, 8">) -> tensor<?x2x?x8xf32, "s0, 2, s1, 8"> attributes {tw.symbols = {s0 = array<i64: 1, 64>, s1 = array<i64: 1, 64>}} {
  %0 = "tw.iota"() {dim = 3 : i64, shape = "1, 1, 1, s1"} : () -> tensor<1x1x1x?xi64, "1, 1, 1, s1">
  %1 = "tw.iota"() {dim = 2 : i64, shape = "1, 1, s1, 1"} : () -> tensor<1x1x?x1xi64, "1, 1, s1, 1">
  %2 = "tw.pointwise"(%0, %1) ({
  ^bb0(%arg1: i64, %arg2: i64):
    %5 = arith.cmpi sle, %arg1, %arg2 : i64
    "tw.yield"(%5) : (i1) -> ()
  }) : (tensor<1x1x1x?xi64, "1, 1, 1, s1">, tensor<1x1x?x1xi64, "1, 1, s1, 1">) -> tensor<1x1x?x?xi1, "1, 1, s1, s1">
  %3 = "tw.pointwise"(%2) ({
  ^bb0(%arg1: i1):
    %cst = arith.constant 0.000000e+00 : f32
    %cst_0 = arith.constant -3.000000e+38 : f32
    %5 = arith.select %arg1, %cst, %cst_0 : f32
    "tw.yield"(%5) : (f32) -> ()
  }) : (tensor<1x1x?x?xi1, "1, 1, s1, s1">) -> tensor<1x1x?x?xf32, "1, 1, s1, s1">
  %4 = "tw.attention"(%arg0, %arg0, %arg0, %3) {operandSegmentSizes = array<i32: 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0>, scale = 5.000000e-01 : f64} : (tensor<?x2x?x8xf32, "s0, 2, s1, 8">, tensor<?x2x?x8xf32, "s0, 2, s1, 8">, tensor<?x2x?x8xf32, "s0, 2, s1, 8">, tensor<1x1x?x?xf32, "1, 1, s1, s1">) -> tensor<?x2x?x8xf32, "s0, 2, s1, 8">
  return %4 : tensor<?x2x?x8xf32, "s0, 2, s1, 8">
}

// With padding a row may have none; the number then matters.
// CHECK-LABEL: func.func @added_with_padding
// CHECK: tw.attention
// CHECK-NOT: causal
// CHECK: return
func.func @added_with_padding(%arg0: tensor<?x2x?x8xf32, "s0, 2, s1, 8">, %arg1: tensor<?x1x1x?xi1, "s0, 1, 1, s1">) -> tensor<?x2x?x8xf32, "s0, 2, s1, 8"> attributes {tw.symbols = {s0 = array<i64: 1, 64>, s1 = array<i64: 1, 64>}} {
  %0 = "tw.iota"() {dim = 3 : i64, shape = "1, 1, 1, s1"} : () -> tensor<1x1x1x?xi64, "1, 1, 1, s1">
  %1 = "tw.iota"() {dim = 2 : i64, shape = "1, 1, s1, 1"} : () -> tensor<1x1x?x1xi64, "1, 1, s1, 1">
  %2 = "tw.pointwise"(%0, %1) ({
  ^bb0(%arg2: i64, %arg3: i64):
    %6 = arith.cmpi sle, %arg2, %arg3 : i64
    "tw.yield"(%6) : (i1) -> ()
  }) : (tensor<1x1x1x?xi64, "1, 1, 1, s1">, tensor<1x1x?x1xi64, "1, 1, s1, 1">) -> tensor<1x1x?x?xi1, "1, 1, s1, s1">
  %3 = "tw.pointwise"(%2, %arg1) ({
  ^bb0(%arg2: i1, %arg3: i1):
    %6 = arith.andi %arg2, %arg3 : i1
    "tw.yield"(%6) : (i1) -> ()
  }) : (tensor<1x1x?x?xi1, "1, 1, s1, s1">, tensor<?x1x1x?xi1, "s0, 1, 1, s1">) -> tensor<?x1x?x?xi1, "s0, 1, s1, s1">
  %4 = "tw.pointwise"(%3) ({
  ^bb0(%arg2: i1):
    %cst = arith.constant 0.000000e+00 : f32
    %cst_0 = arith.constant -3.000000e+38 : f32
    %6 = arith.select %arg2, %cst, %cst_0 : f32
    "tw.yield"(%6) : (f32) -> ()
  }) : (tensor<?x1x?x?xi1, "s0, 1, s1, s1">) -> tensor<?x1x?x?xf32, "s0, 1, s1, s1">
  %5 = "tw.attention"(%arg0, %arg0, %arg0, %4) {operandSegmentSizes = array<i32: 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0>, scale = 5.000000e-01 : f64} : (tensor<?x2x?x8xf32, "s0, 2, s1, 8">, tensor<?x2x?x8xf32, "s0, 2, s1, 8">, tensor<?x2x?x8xf32, "s0, 2, s1, 8">, tensor<?x1x?x?xf32, "s0, 1, s1, s1">) -> tensor<?x2x?x8xf32, "s0, 2, s1, 8">
  return %5 : tensor<?x2x?x8xf32, "s0, 2, s1, 8">
}

// One key further than causal: the first query stands at key 1.
// CHECK-LABEL: func.func @one_further
// CHECK: %[[OFFSET:.*]] = "tw.pointwise"() ({
// CHECK-NEXT: arith.constant 1 : i64
// CHECK: "tw.attention"(%arg0, %arg0, %arg0, %[[OFFSET]]) {causal = true, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 1,
func.func @one_further(%arg0: tensor<?x2x?x8xf32, "s0, 2, s1, 8">) -> tensor<?x2x?x8xf32, "s0, 2, s1, 8"> attributes {tw.symbols = {s0 = array<i64: 1, 64>, s1 = array<i64: 1, 64>}} {
  %0 = "tw.iota"() {dim = 3 : i64, shape = "1, 1, 1, s1"} : () -> tensor<1x1x1x?xi64, "1, 1, 1, s1">
  %1 = "tw.iota"() {dim = 2 : i64, shape = "1, 1, s1, 1"} : () -> tensor<1x1x?x1xi64, "1, 1, s1, 1">
  %2 = "tw.pointwise"(%1) ({
  ^bb0(%arg1: i64):
    %c1_i64 = arith.constant 1 : i64
    %5 = arith.addi %arg1, %c1_i64 : i64
    "tw.yield"(%5) : (i64) -> ()
  }) : (tensor<1x1x?x1xi64, "1, 1, s1, 1">) -> tensor<1x1x?x1xi64, "1, 1, s1, 1">
  %3 = "tw.pointwise"(%0, %2) ({
  ^bb0(%arg1: i64, %arg2: i64):
    %5 = arith.cmpi sle, %arg1, %arg2 : i64
    "tw.yield"(%5) : (i1) -> ()
  }) : (tensor<1x1x1x?xi64, "1, 1, 1, s1">, tensor<1x1x?x1xi64, "1, 1, s1, 1">) -> tensor<1x1x?x?xi1, "1, 1, s1, s1">
  %4 = "tw.attention"(%arg0, %arg0, %arg0, %3) {operandSegmentSizes = array<i32: 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0>, scale = 5.000000e-01 : f64} : (tensor<?x2x?x8xf32, "s0, 2, s1, 8">, tensor<?x2x?x8xf32, "s0, 2, s1, 8">, tensor<?x2x?x8xf32, "s0, 2, s1, 8">, tensor<1x1x?x?xi1, "1, 1, s1, s1">) -> tensor<?x2x?x8xf32, "s0, 2, s1, 8">
  return %4 : tensor<?x2x?x8xf32, "s0, 2, s1, 8">
}
