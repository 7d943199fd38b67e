// Movement: an indexing map where a map can say it, else a load at a computed index.

// RUN: tilewright-opt %s -p 'tw-lower-to-linalg' | filecheck %s

// CHECK-DAG: #[[SWAPPED:.*]] = affine_map<(d0, d1) -> (d1, d0)>

// CHECK-LABEL: func.func private @transpose(
// CHECK: linalg.generic {indexing_maps = [#[[SWAPPED]], #{{.*}}], iterator_types = ["parallel", "parallel"]}
func.func private @transpose(%x: tensor<4x6xf32>) -> tensor<6x4xf32> attributes {tw.kernel, tw.symbols = {}} {
  %0 = "tw.transpose"(%x) {permutation = array<i64: 1, 0>} : (tensor<4x6xf32>) -> tensor<6x4xf32>
  return %0 : tensor<6x4xf32>
}

// CHECK-LABEL: func.func private @reshape(
// CHECK: %[[FLAT:.*]] = tensor.collapse_shape %{{.*}} {{\[\[}}0, 1]] : tensor<4x6xf32> into tensor<24xf32>
// CHECK: tensor.expand_shape %[[FLAT]] {{\[\[}}0, 1]] output_shape [3, 8] : tensor<24xf32> into tensor<3x8xf32>
func.func private @reshape(%x: tensor<4x6xf32>) -> tensor<3x8xf32> attributes {tw.kernel, tw.symbols = {}} {
  %0 = "tw.reshape"(%x) {shape = "3, 8"} : (tensor<4x6xf32>) -> tensor<3x8xf32>
  return %0 : tensor<3x8xf32>
}

// CHECK-LABEL: func.func private @split_heads(
// CHECK: tensor.expand_shape %{{.*}} {{\[\[}}0], [1], [2, 3]] output_shape [%{{.*}}, %{{.*}}, 12, 32]
func.func private @split_heads(%x: tensor<?x?x384xf32, "d0, d1, 384">) -> tensor<?x?x12x32xf32, "d0, d1, 12, 32">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 8>, d1 = array<i64: 1, 512>}} {
  %0 = "tw.reshape"(%x) {shape = "d0, d1, 12, 32"} : (tensor<?x?x384xf32, "d0, d1, 384">) -> tensor<?x?x12x32xf32, "d0, d1, 12, 32">
  return %0 : tensor<?x?x12x32xf32, "d0, d1, 12, 32">
}

// CHECK-LABEL: func.func private @slice(
// CHECK: %[[I:.*]] = linalg.index 0 : index
// CHECK: %[[J:.*]] = linalg.index 1 : index
// CHECK: %[[AT:.*]] = arith.addi %[[J]], %{{.*}} : index
// CHECK: tensor.extract %{{.*}}[%[[I]], %[[AT]]]
func.func private @slice(%x: tensor<4x6xf32>) -> tensor<4x3xf32> attributes {tw.kernel, tw.symbols = {}} {
  %0 = "tw.slice"(%x) {starts = "0, 2", sizes = "4, 3", steps = array<i64: 1, 1>} : (tensor<4x6xf32>) -> tensor<4x3xf32>
  return %0 : tensor<4x3xf32>
}

// CHECK-LABEL: func.func private @reverse(
// CHECK: arith.subi %{{.*}}, %{{.*}} : index
// CHECK: tensor.extract
func.func private @reverse(%x: tensor<4x6xf32>) -> tensor<4x6xf32> attributes {tw.kernel, tw.symbols = {}} {
  %0 = "tw.reverse"(%x) {dims = array<i64: 1>} : (tensor<4x6xf32>) -> tensor<4x6xf32>
  return %0 : tensor<4x6xf32>
}

// Only the branch that is taken loads.
// CHECK-LABEL: func.func private @concat(
// CHECK: %[[FIRST:.*]] = arith.cmpi ult
// CHECK: scf.if %[[FIRST]] -> (f32) {
// CHECK: tensor.extract
// CHECK: } else {
// CHECK: tensor.extract
func.func private @concat(%x: tensor<4x6xf32>, %y: tensor<4x2xf32>) -> tensor<4x8xf32> attributes {tw.kernel, tw.symbols = {}} {
  %0 = "tw.concat"(%x, %y) {dim = 1 : i64} : (tensor<4x6xf32>, tensor<4x2xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// CHECK-LABEL: func.func private @pad(
// CHECK: %[[ABOVE:.*]] = arith.cmpi sge
// CHECK: %[[BELOW:.*]] = arith.cmpi slt
// CHECK: scf.if %[[ABOVE]]
// CHECK: scf.if %[[BELOW]]
// CHECK: tensor.extract
// CHECK: arith.constant 7.000000e+00 : f32
func.func private @pad(%x: tensor<4x6xf32>) -> tensor<4x9xf32> attributes {tw.kernel, tw.symbols = {}} {
  %0 = "tw.pad"(%x) {low = "0, 1", high = "0, 2", value = 7.0 : f64} : (tensor<4x6xf32>) -> tensor<4x9xf32>
  return %0 : tensor<4x9xf32>
}
