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

// Narrow operands are widened in the loop, the sums are returned as they are.
// CHECK-LABEL: func.func private @wide_sums(
// CHECK: linalg.generic
// CHECK: ^bb0(%[[A:.*]]: bf16, %[[B:.*]]: bf16, %[[ACC:.*]]: f32):
// CHECK-DAG: %[[X:.*]] = arith.extf %[[A]] : bf16 to f32
// CHECK-DAG: %[[Y:.*]] = arith.extf %[[B]] : bf16 to f32
// CHECK: %[[P:.*]] = arith.mulf %[[X]], %[[Y]] : f32
// CHECK: arith.addf %[[ACC]], %[[P]] : f32
// CHECK-NOT: arith.truncf
// CHECK: return
func.func private @wide_sums(%a: tensor<4x8xbf16>, %b: tensor<8x6xbf16>) -> tensor<4x6xf32> attributes {tw.kernel, tw.symbols = {}} {
  %0 = "tw.matmul"(%a, %b) {accumulate = f32} : (tensor<4x8xbf16>, tensor<8x6xbf16>) -> tensor<4x6xf32>
  return %0 : tensor<4x6xf32>
}

// CHECK-LABEL: func.func private @bytes(
// CHECK: ^bb0(%[[A:.*]]: i8, %[[B:.*]]: i8, %[[ACC:.*]]: i32):
// CHECK-DAG: %[[X:.*]] = arith.extsi %[[A]] : i8 to i32
// CHECK-DAG: %[[Y:.*]] = arith.extsi %[[B]] : i8 to i32
// CHECK: %[[P:.*]] = arith.muli %[[X]], %[[Y]] : i32
// CHECK: arith.addi %[[ACC]], %[[P]] : i32
func.func private @bytes(%a: tensor<4x8xi8>, %b: tensor<8x6xi8>) -> tensor<4x6xi32> attributes {tw.kernel, tw.symbols = {}} {
  %0 = "tw.matmul"(%a, %b) {accumulate = i32} : (tensor<4x8xi8>, tensor<8x6xi8>) -> tensor<4x6xi32>
  return %0 : tensor<4x6xi32>
}
