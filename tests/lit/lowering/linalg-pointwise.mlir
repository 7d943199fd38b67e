// One generic per pointwise op: operands broadcast by their indexing maps, the scalar region is cloned, sizes become arguments.

// RUN: tilewright-opt %s -p 'tw-lower-to-linalg' | filecheck %s

// CHECK-DAG: #[[FULL:.*]] = affine_map<(d0, d1) -> (d0, d1)>
// CHECK-DAG: #[[ROW:.*]] = affine_map<(d0, d1) -> (d1)>
// CHECK-DAG: #[[COLUMN:.*]] = affine_map<(d0, d1) -> (d0, 0)>

// CHECK-LABEL: func.func private @bias_relu(
// CHECK-SAME: %[[X:.*]]: tensor<?x384xf32, "d0, 384">, %[[B:.*]]: tensor<384xf32>, %[[S:.*]]: tensor<?x1xf32, "d0, 1">, %[[D0:.*]]: index)
// CHECK: %[[EMPTY:.*]] = tensor.empty(%[[D0]]) : tensor<?x384xf32, "d0, 384">
// CHECK: linalg.generic {indexing_maps = [#[[FULL]], #[[ROW]], #[[COLUMN]], #[[FULL]]], iterator_types = ["parallel", "parallel"]}
// CHECK-SAME: ins(%[[X]], %[[B]], %[[S]] : {{.*}}) outs(%[[EMPTY]] : tensor<?x384xf32, "d0, 384">)
// CHECK: ^bb0(%[[IN0:.*]]: f32, %[[IN1:.*]]: f32, %[[IN2:.*]]: f32, %{{.*}}: f32):
// CHECK: %[[SUM:.*]] = arith.addf %[[IN0]], %[[IN1]] : f32
// CHECK: %[[SCALED:.*]] = arith.mulf %[[SUM]], %[[IN2]] : f32
// CHECK: linalg.yield %[[SCALED]] : f32
func.func private @bias_relu(%x: tensor<?x384xf32, "d0, 384">, %b: tensor<384xf32>, %s: tensor<?x1xf32, "d0, 1">) -> tensor<?x384xf32, "d0, 384">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 128>}} {
  %0 = "tw.pointwise"(%x, %b, %s) ({
  ^bb0(%a: f32, %c: f32, %d: f32):
    %1 = arith.addf %a, %c : f32
    %2 = arith.mulf %1, %d : f32
    "tw.yield"(%2) : (f32) -> ()
  }) : (tensor<?x384xf32, "d0, 384">, tensor<384xf32>, tensor<?x1xf32, "d0, 1">) -> tensor<?x384xf32, "d0, 384">
  return %0 : tensor<?x384xf32, "d0, 384">
}

// Functions that are no kernels, and kernels of a template, stay.
// CHECK-LABEL: func.func @main(
// CHECK-SAME: %{{.*}}: tensor<4xf32>) -> tensor<4xf32>
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}

// CHECK-LABEL: func.func private @dense(
// CHECK: "tw.matmul"
func.func private @dense(%x: tensor<4x8xf32>, %w: tensor<8x48xf32>) -> tensor<4x48xf32>
    attributes {tw.kernel, tw.symbols = {}, tw.schedule = {kind = "matmul", mr = 4 : i64, nr = 16 : i64, source = "test"}} {
  %0 = "tw.matmul"(%x, %w) : (tensor<4x8xf32>, tensor<8x48xf32>) -> tensor<4x48xf32>
  return %0 : tensor<4x48xf32>
}
