// RUN: tilewright-opt %s -p 'tw-recover-key-lengths' | filecheck %s --enable-var-scope

// CHECK-LABEL: func.func @below(
func.func @below(%q: tensor<2x4x1x8xf32>, %k: tensor<2x4x9x8xf32>, %lengths: tensor<2xi64>) -> tensor<2x4x1x8xf32> {
  // CHECK: "tw.attention"(%arg0, %arg1, %arg1, %{{.*}}) {operandSegmentSizes = array<i32: 1, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0>
  // CHECK-SAME: tensor<2xi64>
  %keys = "tw.iota"() {shape = "9", dim = 0 : i64} : () -> tensor<9xi64>
  %n = "tw.reshape"(%lengths) {shape = "2, 1, 1, 1"} : (tensor<2xi64>) -> tensor<2x1x1x1xi64>
  %mask = "tw.pointwise"(%keys, %n) ({
    ^bb0(%x: i64, %y: i64):
      %z = arith.cmpi slt, %x, %y : i64
      "tw.yield"(%z) : (i1) -> ()
  }) : (tensor<9xi64>, tensor<2x1x1x1xi64>) -> tensor<2x1x1x9xi1>
  %o = "tw.attention"(%q, %k, %k, %mask) {scale = 0.5 : f64, operandSegmentSizes = array<i32: 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0>} : (tensor<2x4x1x8xf32>, tensor<2x4x9x8xf32>, tensor<2x4x9x8xf32>, tensor<2x1x1x9xi1>) -> tensor<2x4x1x8xf32>
  return %o : tensor<2x4x1x8xf32>
}
