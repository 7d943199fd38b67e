// A matmul that no template takes is a reduction over k.

// RUN: tilewright-opt %s -p 'tw-lower-to-linalg' | filecheck %s

// CHECK-DAG: #[[LHS:.*]] = affine_map<(d0, d1, d2) -> (d0, d2)>
// CHECK-DAG: #[[RHS:.*]] = affine_map<(d0, d1, d2) -> (d1, d2)>
// CHECK-DAG: #[[OUT:.*]] = affine_map<(d0, d1, d2) -> (d0, d1)>
// CHECK-LABEL: func.func private @matmul(
// CHECK: linalg.generic {indexing_maps = [#[[LHS]], #[[RHS]], #[[OUT]]], iterator_types = ["parallel", "parallel", "reduction"]}
// CHECK: %[[PRODUCT:.*]] = arith.mulf
// CHECK: arith.addf %{{.*}}, %[[PRODUCT]]
func.func private @matmul(%a: tensor<4x8xf64>, %b: tensor<6x8xf64>) -> tensor<4x6xf64> attributes {tw.kernel, tw.symbols = {}} {
  %0 = "tw.matmul"(%a, %b) {transpose_rhs = true} : (tensor<4x8xf64>, tensor<6x8xf64>) -> tensor<4x6xf64>
  return %0 : tensor<4x6xf64>
}
