// RUN: tilewright-opt %s -p 'tw-recover-caches' | filecheck %s --enable-var-scope

// CHECK-LABEL: func.func @narrow(
func.func @narrow(%q: tensor<2x4x1x8xf32>, %k: tensor<2x9x2x8xbf16>) -> tensor<2x4x1x8xf32> {
  // CHECK: %[[K:.*]] = "tw.transpose"(%arg1) {permutation = array<i64: 0, 2, 1, 3>} : {{.*}} -> tensor<2x2x9x8xbf16>
  // CHECK: "tw.attention"(%arg0, %[[K]], %{{.*}}) {{.*}} : (tensor<2x4x1x8xf32>, tensor<2x2x9x8xbf16>, tensor<2x2x9x8xbf16>)
  %wide = "tw.pointwise"(%k) ({
    ^bb0(%x: bf16):
      %y = arith.extf %x : bf16 to f32
      "tw.yield"(%y) : (f32) -> ()
  }) : (tensor<2x9x2x8xbf16>) -> tensor<2x9x2x8xf32>
  %rows = "tw.transpose"(%wide) {permutation = array<i64: 0, 2, 1, 3>} : (tensor<2x9x2x8xf32>) -> tensor<2x2x9x8xf32>
  %o = "tw.attention"(%q, %rows, %rows) {scale = 0.5 : f64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0>} : (tensor<2x4x1x8xf32>, tensor<2x2x9x8xf32>, tensor<2x2x9x8xf32>) -> tensor<2x4x1x8xf32>
  return %o : tensor<2x4x1x8xf32>
}

// CHECK-LABEL: func.func @pages(
func.func @pages(%q: tensor<2x4x1x8xf32>, %k: tensor<7x3x2x8xf32>, %table: tensor<2x5xi64>) -> tensor<2x4x1x8xf32> {
  // CHECK-NOT: "tw.gather"
  // CHECK: %[[PAGES:.*]] = "tw.transpose"(%arg1) {permutation = array<i64: 0, 2, 1, 3>} : {{.*}} -> tensor<7x2x3x8xf32>
  // CHECK: %[[LENGTH:.*]] = "tw.broadcast"(%{{.*}}) {shape = "2"}
  // CHECK: arith.trunci
  // CHECK: "tw.attention"(%arg0, %[[PAGES]], %{{[0-9]+}}, %[[LENGTH]], %{{[0-9]+}})
  // CHECK-SAME: tensor<2x5xi32>
  %gathered = "tw.gather"(%k, %table) {axes = array<i64: 0>} : (tensor<7x3x2x8xf32>, tensor<2x5xi64>) -> tensor<2x5x3x2x8xf32>
  %joined = "tw.reshape"(%gathered) {shape = "2, 15, 2, 8"} : (tensor<2x5x3x2x8xf32>) -> tensor<2x15x2x8xf32>
  %rows = "tw.transpose"(%joined) {permutation = array<i64: 0, 2, 1, 3>} : (tensor<2x15x2x8xf32>) -> tensor<2x2x15x8xf32>
  %o = "tw.attention"(%q, %rows, %rows) {scale = 0.5 : f64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0>} : (tensor<2x4x1x8xf32>, tensor<2x2x15x8xf32>, tensor<2x2x15x8xf32>) -> tensor<2x4x1x8xf32>
  return %o : tensor<2x4x1x8xf32>
}
