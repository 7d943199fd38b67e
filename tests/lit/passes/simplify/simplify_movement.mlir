// RUN: tilewright-opt %s -p tw-simplify-movement | filecheck %s

// CHECK-LABEL: func.func @cancel
// CHECK-NEXT: return %arg0
func.func @cancel(%x: tensor<4x6xf32>) -> tensor<4x6xf32> {
  %0 = "tw.transpose"(%x) {permutation = array<i64: 1, 0>} : (tensor<4x6xf32>) -> tensor<6x4xf32>
  %1 = "tw.transpose"(%0) {permutation = array<i64: 1, 0>} : (tensor<6x4xf32>) -> tensor<4x6xf32>
  %2 = "tw.reshape"(%1) {shape = "24"} : (tensor<4x6xf32>) -> tensor<24xf32>
  %3 = "tw.reshape"(%2) {shape = "4, 6"} : (tensor<24xf32>) -> tensor<4x6xf32>
  %4 = "tw.slice"(%3) {starts = "0, 0", sizes = "4, 6", steps = array<i64: 1, 1>} : (tensor<4x6xf32>) -> tensor<4x6xf32>
  return %4 : tensor<4x6xf32>
}

// CHECK-LABEL: func.func @flags
// CHECK-NEXT: %[[M:.*]] = "tw.matmul"(%arg0, %arg1) {transpose_rhs = true}
// CHECK-NEXT: return %[[M]]
func.func @flags(%x: tensor<4x6xf32>, %w: tensor<5x6xf32>) -> tensor<4x5xf32> {
  %0 = "tw.transpose"(%w) {permutation = array<i64: 1, 0>} : (tensor<5x6xf32>) -> tensor<6x5xf32>
  %1 = "tw.matmul"(%x, %0) : (tensor<4x6xf32>, tensor<6x5xf32>) -> tensor<4x5xf32>
  return %1 : tensor<4x5xf32>
}

// The padding mask of transformers: looked up by batch and key index, it is itself.
// CHECK-LABEL: func.func @mask
// CHECK: %[[M:.*]] = "tw.reshape"(%arg0) {shape = "s0, 1, 1, s1"}
// CHECK: return %[[M]]
func.func @mask(%mask: tensor<?x?xi1, "s0, s1">) -> tensor<?x1x1x?xi1, "s0, 1, 1, s1"> attributes {tw.symbols = {s0 = array<i64: 1, 64>, s1 = array<i64: 1, 64>}} {
  %b = "tw.iota"() {shape = "s0, 1, 1, 1"} : () -> tensor<?x1x1x1xi64, "s0, 1, 1, 1">
  %k = "tw.iota"() {shape = "1, 1, 1, s1", dim = 3 : i64} : () -> tensor<1x1x1x?xi64, "1, 1, 1, s1">
  %0 = "tw.gather"(%mask, %b, %k) {axes = array<i64: 0, 1>} : (tensor<?x?xi1, "s0, s1">, tensor<?x1x1x1xi64, "s0, 1, 1, 1">, tensor<1x1x1x?xi64, "1, 1, 1, s1">) -> tensor<?x1x1x?xi1, "s0, 1, 1, s1">
  return %0 : tensor<?x1x1x?xi1, "s0, 1, 1, s1">
}

// Rows of a table at the index are its first rows; past the end nothing is promised, and the gather stays.
// CHECK-LABEL: func.func @rows
// CHECK: "tw.slice"(%arg0) {sizes = "s0, 8", starts = "0, 0"
// CHECK: "tw.gather"(%arg1
func.func @rows(%t: tensor<64x8xf32>, %u: tensor<63x8xf32>) -> (tensor<?x8xf32, "s0, 8">, tensor<?x8xf32, "s0, 8">) attributes {tw.symbols = {s0 = array<i64: 1, 64>}} {
  %i = "tw.iota"() {shape = "s0"} : () -> tensor<?xi64, "s0">
  %0 = "tw.gather"(%t, %i) {axes = array<i64: 0>} : (tensor<64x8xf32>, tensor<?xi64, "s0">) -> tensor<?x8xf32, "s0, 8">
  %1 = "tw.gather"(%u, %i) {axes = array<i64: 0>} : (tensor<63x8xf32>, tensor<?xi64, "s0">) -> tensor<?x8xf32, "s0, 8">
  return %0, %1 : tensor<?x8xf32, "s0, 8">, tensor<?x8xf32, "s0, 8">
}

// CHECK-LABEL: func.func @part
// CHECK-NEXT: %[[S:.*]] = "tw.slice"(%arg1) {sizes = "4, 1", starts = "0, 1"
// CHECK-NEXT: return %[[S]]
func.func @part(%a: tensor<4x6xf32>, %b: tensor<4x2xf32>) -> tensor<4x1xf32> {
  %0 = "tw.concat"(%a, %b) {dim = 1 : i64} : (tensor<4x6xf32>, tensor<4x2xf32>) -> tensor<4x8xf32>
  %1 = "tw.slice"(%0) {starts = "0, 7", sizes = "4, 1", steps = array<i64: 1, 1>} : (tensor<4x8xf32>) -> tensor<4x1xf32>
  return %1 : tensor<4x1xf32>
}
