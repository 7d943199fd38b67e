// Constants, sizes as data, index sequences.

// RUN: tilewright-opt %s -p 'tw-lower-to-linalg' | filecheck %s

// CHECK-LABEL: func.func private @values(
// CHECK-SAME: %[[D0:[a-z0-9]+]]: index)
// CHECK: arith.constant dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>
// CHECK: %[[TWICE:.*]] = arith.muli %[[D0]], %{{.*}} : index
// CHECK: %[[DATA:.*]] = arith.index_cast %[[TWICE]] : index to i64
// CHECK: linalg.fill ins(%[[DATA]] : i64)
// CHECK: %[[I:.*]] = linalg.index 0 : index
// CHECK: arith.index_cast %[[I]] : index to i32
func.func private @values(%x: tensor<?xf32, "d0">) -> (tensor<2xf32>, tensor<i64>, tensor<?xi32, "d0">)
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 512>}} {
  %0 = "tw.constant"() {value = dense<[1.0, 2.0]> : tensor<2xf32>} : () -> tensor<2xf32>
  %1 = "tw.dim"() {expr = "2*d0"} : () -> tensor<i64>
  %2 = "tw.iota"() {shape = "d0", dtype = i32} : () -> tensor<?xi32, "d0">
  return %0, %1, %2 : tensor<2xf32>, tensor<i64>, tensor<?xi32, "d0">
}
