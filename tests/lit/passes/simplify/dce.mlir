// RUN: tilewright-opt %s -p tw-dce | filecheck %s

// Unused ops go, with what only they used; writes of state stay.
// CHECK-LABEL: func.func @unused
// CHECK-NOT: tw.transpose
// CHECK-NOT: tw.softmax
// CHECK: %[[S:.*]] = "tw.state_read"
// CHECK: "tw.state_update"(%[[S]]
// CHECK: return %arg0
func.func @unused(%x: tensor<4x8xf32>, %p: tensor<i64>, %v: tensor<1x8xf32>) -> tensor<4x8xf32> {
  %0 = "tw.transpose"(%x) {permutation = array<i64: 1, 0>} : (tensor<4x8xf32>) -> tensor<8x4xf32>
  %1 = "tw.softmax"(%0) {dim = 1 : i64} : (tensor<8x4xf32>) -> tensor<8x4xf32>
  %s = "tw.state_read"() {name = "cache"} : () -> tensor<4x8xf32>
  %2 = "tw.state_update"(%s, %v, %p) {dim = 0 : i64} : (tensor<4x8xf32>, tensor<1x8xf32>, tensor<i64>) -> tensor<4x8xf32>
  return %x : tensor<4x8xf32>
}
