// RUN: tilewright-opt %s -p 'tw-split-products' | filecheck %s

// Slices of a product with a bias: a product for each, of a part of the weight and of the bias.
// CHECK-LABEL: func.func @queries_keys
func.func @queries_keys(%x: tensor<8x64xf32>) -> (tensor<8x64xf32>, tensor<8x32xf32>) {
  // CHECK: %[[W:.*]] = "tw.weight"() {layout = {axis = "1", kind = "plain", size = "64", start = "0"}, name = "w"} : () -> tensor<64x64xf32>
  // CHECK: %[[M:.*]] = "tw.matmul"(%{{.*}}, %[[W]])
  // CHECK: %[[B:.*]] = "tw.weight"() {layout = {axis = "0", kind = "plain", size = "64", start = "0"}, name = "b"} : () -> tensor<64xf32>
  // CHECK: %[[Q:.*]] = "tw.pointwise"(%[[M]], %[[B]])
  // CHECK: %[[W:.*]] = "tw.weight"() {layout = {axis = "1", kind = "plain", size = "32", start = "64"}, name = "w"} : () -> tensor<64x32xf32>
  // CHECK: %[[M:.*]] = "tw.matmul"(%{{.*}}, %[[W]])
  // CHECK: %[[B:.*]] = "tw.weight"() {layout = {axis = "0", kind = "plain", size = "32", start = "64"}, name = "b"} : () -> tensor<32xf32>
  // CHECK: %[[K:.*]] = "tw.pointwise"(%[[M]], %[[B]])
  // CHECK: return %[[Q]], %[[K]]
  %w = "tw.weight"() {name = "w"} : () -> tensor<64x96xf32>
  %b = "tw.weight"() {name = "b"} : () -> tensor<96xf32>
  %0 = "tw.matmul"(%x, %w) : (tensor<8x64xf32>, tensor<64x96xf32>) -> tensor<8x96xf32>
  %1 = "tw.pointwise"(%0, %b) ({
  ^bb0(%p: f32, %q: f32):
    %s = arith.addf %p, %q : f32
    "tw.yield"(%s) : (f32) -> ()
  }) : (tensor<8x96xf32>, tensor<96xf32>) -> tensor<8x96xf32>
  %2 = "tw.slice"(%1) {starts = "0, 0", sizes = "8, 64", steps = array<i64: 1, 1>} : (tensor<8x96xf32>) -> tensor<8x64xf32>
  %3 = "tw.slice"(%1) {starts = "0, 64", sizes = "8, 32", steps = array<i64: 1, 1>} : (tensor<8x96xf32>) -> tensor<8x32xf32>
  return %2, %3 : tensor<8x64xf32>, tensor<8x32xf32>
}

// Columns that a reshape splits, in a weight that is stored as [n, k] and cast.
// CHECK-LABEL: func.func @split_columns
func.func @split_columns(%x: tensor<8x64xbf16>) -> (tensor<8x1x4x8xf32>, tensor<8x2x4x8xf32>) {
  // CHECK: "tw.weight"() {layout = {axis = "0", dtype = "bf16", kind = "plain", size = "32", start = "0"}, name = "w"} : () -> tensor<32x64xbf16>
  // CHECK: "tw.matmul"(%{{.*}}) {accumulate = f32, transpose_rhs = true} : (tensor<8x64xbf16>, tensor<32x64xbf16>) -> tensor<8x32xf32>
  // CHECK: "tw.reshape"({{.*}}) {shape = "8, 1, 4, 8"}
  // CHECK: "tw.weight"() {layout = {axis = "0", dtype = "bf16", kind = "plain", size = "64", start = "32"}, name = "w"} : () -> tensor<64x64xbf16>
  // CHECK: "tw.reshape"({{.*}}) {shape = "8, 2, 4, 8"}
  // CHECK-NOT: "tw.slice"
  %w = "tw.weight"() {name = "w", layout = {kind = "plain", dtype = "bf16"}} : () -> tensor<96x64xbf16>
  %0 = "tw.matmul"(%x, %w) {transpose_rhs = true, accumulate = f32} : (tensor<8x64xbf16>, tensor<96x64xbf16>) -> tensor<8x96xf32>
  %1 = "tw.reshape"(%0) {shape = "8, 3, 4, 8"} : (tensor<8x96xf32>) -> tensor<8x3x4x8xf32>
  %2 = "tw.slice"(%1) {starts = "0, 0, 0, 0", sizes = "8, 1, 4, 8", steps = array<i64: 1, 1, 1, 1>} : (tensor<8x3x4x8xf32>) -> tensor<8x1x4x8xf32>
  %3 = "tw.slice"(%1) {starts = "0, 1, 0, 0", sizes = "8, 2, 4, 8", steps = array<i64: 1, 1, 1, 1>} : (tensor<8x3x4x8xf32>) -> tensor<8x2x4x8xf32>
  return %2, %3 : tensor<8x1x4x8xf32>, tensor<8x2x4x8xf32>
}

// The whole product has a user: it stays.
// CHECK-LABEL: func.func @whole_is_used
func.func @whole_is_used(%x: tensor<8x64xf32>) -> (tensor<8x96xf32>, tensor<8x64xf32>) {
  // CHECK: "tw.weight"() {name = "w"}
  // CHECK: "tw.matmul"
  // CHECK-NEXT: "tw.slice"
  %w = "tw.weight"() {name = "w"} : () -> tensor<64x96xf32>
  %0 = "tw.matmul"(%x, %w) : (tensor<8x64xf32>, tensor<64x96xf32>) -> tensor<8x96xf32>
  %1 = "tw.slice"(%0) {starts = "0, 0", sizes = "8, 64", steps = array<i64: 1, 1>} : (tensor<8x96xf32>) -> tensor<8x64xf32>
  return %0, %1 : tensor<8x96xf32>, tensor<8x64xf32>
}

// Slices that overlap would be computed twice, narrow ones would be padding, those of rows are no columns.
// CHECK-LABEL: func.func @overlapping
func.func @overlapping(%x: tensor<8x64xf32>) -> (tensor<8x64xf32>, tensor<8x64xf32>) {
  // CHECK-COUNT-2: "tw.slice"
  %w = "tw.weight"() {name = "w"} : () -> tensor<64x96xf32>
  %0 = "tw.matmul"(%x, %w) : (tensor<8x64xf32>, tensor<64x96xf32>) -> tensor<8x96xf32>
  %1 = "tw.slice"(%0) {starts = "0, 0", sizes = "8, 64", steps = array<i64: 1, 1>} : (tensor<8x96xf32>) -> tensor<8x64xf32>
  %2 = "tw.slice"(%0) {starts = "0, 32", sizes = "8, 64", steps = array<i64: 1, 1>} : (tensor<8x96xf32>) -> tensor<8x64xf32>
  return %1, %2 : tensor<8x64xf32>, tensor<8x64xf32>
}

// CHECK-LABEL: func.func @narrow
func.func @narrow(%x: tensor<8x64xf32>) -> tensor<8x8xf32> {
  // CHECK: "tw.slice"
  %w = "tw.weight"() {name = "w"} : () -> tensor<64x96xf32>
  %0 = "tw.matmul"(%x, %w) : (tensor<8x64xf32>, tensor<64x96xf32>) -> tensor<8x96xf32>
  %1 = "tw.slice"(%0) {starts = "0, 0", sizes = "8, 8", steps = array<i64: 1, 1>} : (tensor<8x96xf32>) -> tensor<8x8xf32>
  return %1 : tensor<8x8xf32>
}

// CHECK-LABEL: func.func @rows
func.func @rows(%x: tensor<8x64xf32>) -> tensor<1x96xf32> {
  // CHECK: "tw.slice"
  %w = "tw.weight"() {name = "w"} : () -> tensor<64x96xf32>
  %0 = "tw.matmul"(%x, %w) : (tensor<8x64xf32>, tensor<64x96xf32>) -> tensor<8x96xf32>
  %1 = "tw.slice"(%0) {starts = "7, 0", sizes = "1, 96", steps = array<i64: 1, 1>} : (tensor<8x96xf32>) -> tensor<1x96xf32>
  return %1 : tensor<1x96xf32>
}

// A residual of all columns would have to be sliced when the program runs.
// CHECK-LABEL: func.func @residual
func.func @residual(%x: tensor<8x64xf32>, %r: tensor<8x96xf32>) -> tensor<8x64xf32> {
  // CHECK: "tw.slice"
  %w = "tw.weight"() {name = "w"} : () -> tensor<64x96xf32>
  %0 = "tw.matmul"(%x, %w) : (tensor<8x64xf32>, tensor<64x96xf32>) -> tensor<8x96xf32>
  %1 = "tw.pointwise"(%0, %r) ({
  ^bb0(%p: f32, %q: f32):
    %s = arith.addf %p, %q : f32
    "tw.yield"(%s) : (f32) -> ()
  }) : (tensor<8x96xf32>, tensor<8x96xf32>) -> tensor<8x96xf32>
  %2 = "tw.slice"(%1) {starts = "0, 0", sizes = "8, 64", steps = array<i64: 1, 1>} : (tensor<8x96xf32>) -> tensor<8x64xf32>
  return %2 : tensor<8x64xf32>
}
