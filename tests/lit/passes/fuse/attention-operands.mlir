// RUN: tilewright-opt %s -p 'tw-fuse,tw-outline' | filecheck %s

// An attention reads its operands from memory: a constant is one of them, positions are computed before.
// CHECK-LABEL: func.func @main
// CHECK: %[[POSITIONS:.*]] = "tw.launch"() {callee = @copy
// CHECK: %[[SLOPES:.*]] = "tw.constant"()
// CHECK: "tw.launch"(%arg0, %[[POSITIONS]], %[[SLOPES]]) {callee = @attention
// CHECK-LABEL: func.func private @attention
// CHECK-NOT: tw.constant
// CHECK-NOT: tw.iota
// CHECK: return
func.func @main(%arg0: tensor<1x2x4x8xf32>) -> tensor<1x2x4x8xf32> {
  %0 = "tw.constant"() {value = dense<[[[0.5]], [[0.25]]]> : tensor<2x1x1xf32>} : () -> tensor<2x1x1xf32>
  %1 = "tw.iota"() {dim = 0 : i64, shape = "4"} : () -> tensor<4xi64>
  %2 = "tw.attention"(%arg0, %arg0, %arg0, %1, %0) ({
  ^bb0(%arg1: f32, %arg2: i64, %arg3: i64, %arg4: i64, %arg5: i64, %arg6: i64, %arg7: f32):
    %3 = arith.sitofp %arg6 : i64 to f32
    %4 = arith.mulf %3, %arg7 : f32
    %5 = arith.addf %arg1, %4 : f32
    "tw.yield"(%5) : (f32) -> ()
  }) {operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 2>, scale = 5.000000e-01 : f64} : (tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<4xi64>, tensor<2x1x1xf32>) -> tensor<1x2x4x8xf32>
  return %2 : tensor<1x2x4x8xf32>
}
