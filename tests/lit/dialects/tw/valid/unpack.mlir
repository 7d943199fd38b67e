// RUN: tilewright-opt %s | filecheck %s
// RUN: tilewright-opt %s | tilewright-opt | filecheck %s

// CHECK-LABEL: func.func @transposed(
// CHECK: "tw.unpack"
// CHECK-SAME: -> tensor<100x64xf32>
func.func @transposed(%p: tensor<3x64x48xf32>) -> tensor<100x64xf32> {
  %w = "tw.unpack"(%p) {columns = 100 : i64, transposed = true} : (tensor<3x64x48xf32>) -> tensor<100x64xf32>
  return %w : tensor<100x64xf32>
}

// CHECK-LABEL: func.func @plain(
// CHECK: "tw.unpack"
// CHECK-SAME: -> tensor<64x96xf32>
func.func @plain(%p: tensor<2x64x48xf32>) -> tensor<64x96xf32> {
  %w = "tw.unpack"(%p) {columns = 96 : i64} : (tensor<2x64x48xf32>) -> tensor<64x96xf32>
  return %w : tensor<64x96xf32>
}

// CHECK-LABEL: func.func @pairs(
// CHECK: "tw.unpack"
// CHECK-SAME: rows = 63 : i64
// CHECK-SAME: -> tensor<100x63xbf16>
func.func @pairs(%p: tensor<3x32x48x2xbf16>) -> tensor<100x63xbf16> {
  %w = "tw.unpack"(%p) {columns = 100 : i64, rows = 63 : i64, transposed = true} : (tensor<3x32x48x2xbf16>) -> tensor<100x63xbf16>
  return %w : tensor<100x63xbf16>
}

// CHECK-LABEL: func.func @quads_without_padding(
// CHECK: "tw.unpack"
// CHECK-SAME: -> tensor<64x96xi8>
func.func @quads_without_padding(%p: tensor<2x16x48x4xi8>) -> tensor<64x96xi8> {
  %w = "tw.unpack"(%p) {columns = 96 : i64} : (tensor<2x16x48x4xi8>) -> tensor<64x96xi8>
  return %w : tensor<64x96xi8>
}

// 64 rows are 16 groups; the 17th holds the sums of the columns.
// CHECK-LABEL: func.func @with_sums(
// CHECK: "tw.unpack"
// CHECK-SAME: lhs_offset = 128 : i64
// CHECK-SAME: -> tensor<64x96xi8>
func.func @with_sums(%p: tensor<2x17x48x4xi8>) -> tensor<64x96xi8> {
  %w = "tw.unpack"(%p) {columns = 96 : i64, lhs_offset = 128 : i64} : (tensor<2x17x48x4xi8>) -> tensor<64x96xi8>
  return %w : tensor<64x96xi8>
}
