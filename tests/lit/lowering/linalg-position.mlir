// Rotary embedding: every element loads its partner from the other half.

// RUN: tilewright-opt %s -p 'tw-lower-to-linalg' | filecheck %s

// CHECK-LABEL: func.func private @rope(
// CHECK: %[[J:.*]] = linalg.index 2 : index
// CHECK: %[[FIRST:.*]] = arith.cmpi ult, %[[J]], %{{.*}} : index
// CHECK: scf.if %[[FIRST]] -> (f32) {
// CHECK: tensor.extract
// CHECK: arith.negf
// CHECK: } else {
// CHECK: tensor.extract
// CHECK: math.fma
func.func private @rope(%x: tensor<2x4x8xf32>, %c: tensor<4x8xf32>, %s: tensor<4x8xf32>) -> tensor<2x4x8xf32> attributes {tw.kernel, tw.symbols = {}} {
  %0 = "tw.rope"(%x, %c, %s) : (tensor<2x4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<2x4x8xf32>
  return %0 : tensor<2x4x8xf32>
}
