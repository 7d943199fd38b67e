// A gather loads at an index that is data, clamped into the table.

// RUN: tilewright-opt %s -p 'tw-lower-to-linalg' | filecheck %s

// CHECK-LABEL: func.func private @embedding(
// CHECK-SAME: %[[TABLE:.*]]: tensor<100x8xf32>, %[[IDS:.*]]: tensor<?xi64, "d0">
// CHECK-DAG: %[[LAST:.*]] = arith.constant 99 : index
// CHECK: linalg.generic {{.*}} ins(%[[IDS]] : tensor<?xi64, "d0">)
// CHECK: ^bb0(%[[ID:.*]]: i64, %{{.*}}: f32):
// CHECK: %[[ZERO:.*]] = arith.constant 0 : index
// CHECK: %[[ROW:.*]] = arith.index_cast %[[ID]] : i64 to index
// CHECK: %[[LOW:.*]] = arith.maxsi %[[ROW]], %[[ZERO]] : index
// CHECK: %[[CLAMPED:.*]] = arith.minsi %[[LOW]], %[[LAST]] : index
// CHECK: %[[COLUMN:.*]] = linalg.index 1 : index
// CHECK: tensor.extract %[[TABLE]][%[[CLAMPED]], %[[COLUMN]]]
func.func private @embedding(%t: tensor<100x8xf32>, %i: tensor<?xi64, "d0">) -> tensor<?x8xf32, "d0, 8">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 512>}} {
  %0 = "tw.gather"(%t, %i) {axes = array<i64: 0>} : (tensor<100x8xf32>, tensor<?xi64, "d0">) -> tensor<?x8xf32, "d0, 8">
  return %0 : tensor<?x8xf32, "d0, 8">
}
