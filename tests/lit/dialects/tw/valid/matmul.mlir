// RUN: tilewright-opt %s | filecheck %s
// RUN: tilewright-opt %s | tilewright-opt | filecheck %s

// CHECK-LABEL: func.func @plain(
// CHECK: "tw.matmul"
// CHECK-SAME: -> tensor<4x6xf32>
func.func @plain(%x: tensor<4x8xf32>, %w: tensor<8x6xf32>) -> tensor<4x6xf32> {
  %y = "tw.matmul"(%x, %w) : (tensor<4x8xf32>, tensor<8x6xf32>) -> tensor<4x6xf32>
  return %y : tensor<4x6xf32>
}

// CHECK-LABEL: func.func @linear(
// CHECK: "tw.matmul"
// CHECK-SAME: -> tensor<?x?x128xf32, "s0, s1, 128">
func.func @linear(%x: tensor<?x?x384xf32, "s0, s1, 384">, %w: tensor<128x384xf32>) -> tensor<?x?x128xf32, "s0, s1, 128"> attributes {tw.symbols = {s0 = array<i64: 1, 64>, s1 = array<i64: 1, 64>}} {
  %y = "tw.matmul"(%x, %w) {transpose_rhs = true} : (tensor<?x?x384xf32, "s0, s1, 384">, tensor<128x384xf32>) -> tensor<?x?x128xf32, "s0, s1, 128">
  return %y : tensor<?x?x128xf32, "s0, s1, 128">
}

// CHECK-LABEL: func.func @batch_broadcasts(
// CHECK: "tw.matmul"
// CHECK-SAME: -> tensor<3x5x4x6xf32>
func.func @batch_broadcasts(%x: tensor<3x1x8x4xf32>, %w: tensor<5x8x6xf32>) -> tensor<3x5x4x6xf32> {
  %y = "tw.matmul"(%x, %w) {transpose_lhs = true} : (tensor<3x1x8x4xf32>, tensor<5x8x6xf32>) -> tensor<3x5x4x6xf32>
  return %y : tensor<3x5x4x6xf32>
}

// CHECK-LABEL: func.func @integers(
// CHECK: "tw.matmul"
// CHECK-SAME: -> tensor<4x6xi32>
func.func @integers(%x: tensor<4x8xi32>, %w: tensor<8x6xi32>) -> tensor<4x6xi32> {
  %y = "tw.matmul"(%x, %w) : (tensor<4x8xi32>, tensor<8x6xi32>) -> tensor<4x6xi32>
  return %y : tensor<4x6xi32>
}

// CHECK-LABEL: func.func @wide_sums(
// CHECK: "tw.matmul"
// CHECK-SAME: {accumulate = f32}
// CHECK-SAME: -> tensor<4x6xf32>
func.func @wide_sums(%x: tensor<4x8xbf16>, %w: tensor<8x6xbf16>) -> tensor<4x6xf32> {
  %y = "tw.matmul"(%x, %w) {accumulate = f32} : (tensor<4x8xbf16>, tensor<8x6xbf16>) -> tensor<4x6xf32>
  return %y : tensor<4x6xf32>
}

// CHECK-LABEL: func.func @exact_sums(
// CHECK: "tw.matmul"
// CHECK-SAME: {accumulate = i32, transpose_rhs = true}
// CHECK-SAME: -> tensor<4x6xi32>
func.func @exact_sums(%x: tensor<4x8xi8>, %w: tensor<6x8xi8>) -> tensor<4x6xi32> {
  %y = "tw.matmul"(%x, %w) {accumulate = i32, transpose_rhs = true} : (tensor<4x8xi8>, tensor<6x8xi8>) -> tensor<4x6xi32>
  return %y : tensor<4x6xi32>
}
