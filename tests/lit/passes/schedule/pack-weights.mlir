// RUN: tilewright-opt %s -p 'tw-pack-weights' | filecheck %s

// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<8x64xf32>) -> tensor<8x100xf32> {
  // CHECK: %[[W:.*]] = "tw.weight"() {layout = {kind = "panels", nr = "48", transposed = "true"}, name = "w"} : () -> tensor<3x64x48xf32>
  // CHECK: "tw.launch"(%{{.*}}, %[[W]])
  %w = "tw.weight"() {name = "w"} : () -> tensor<100x64xf32>
  %0 = "tw.launch"(%x, %w) {callee = @matmul} : (tensor<8x64xf32>, tensor<100x64xf32>) -> tensor<8x100xf32>
  return %0 : tensor<8x100xf32>
}
// CHECK-LABEL: func.func private @matmul
// CHECK-SAME: tensor<3x64x48xf32>
func.func private @matmul(%x: tensor<8x64xf32>, %w: tensor<100x64xf32> {tw.weight}) -> tensor<8x100xf32> attributes {tw.kernel, tw.schedule = {kind = "matmul", mr = 8 : i64, nr = 48 : i64, rhs = "packed", source = "test"}} {
  // CHECK: %[[U:.*]] = "tw.unpack"(%{{.*}}) {columns = 100 : i64, transposed = true}
  // CHECK: "tw.matmul"(%{{.*}}, %[[U]])
  %0 = "tw.matmul"(%x, %w) {transpose_rhs = true} : (tensor<8x64xf32>, tensor<100x64xf32>) -> tensor<8x100xf32>
  return %0 : tensor<8x100xf32>
}

// Groups of four rows of i8, and one group more per panel for the sums of its columns; k = 66 is padded.
// CHECK-LABEL: func.func @quads
func.func @quads(%x: tensor<8x66xi8>) -> tensor<8x100xi32> {
  // CHECK: %[[W:.*]] = "tw.weight"() {layout = {group = "4", kind = "panels", lhs_offset = "128", nr = "48", transposed = "false"}, name = "q"} : () -> tensor<3x18x48x4xi8>
  %w = "tw.weight"() {name = "q"} : () -> tensor<66x100xi8>
  %0 = "tw.launch"(%x, %w) {callee = @matmul_i8} : (tensor<8x66xi8>, tensor<66x100xi8>) -> tensor<8x100xi32>
  return %0 : tensor<8x100xi32>
}
// CHECK-LABEL: func.func private @matmul_i8
func.func private @matmul_i8(%x: tensor<8x66xi8>, %w: tensor<66x100xi8> {tw.weight}) -> tensor<8x100xi32> attributes {tw.kernel, tw.schedule = {kind = "matmul", mr = 8 : i64, nr = 48 : i64, rhs = "packed", instruction = "vpdpbusd", source = "test"}} {
  // CHECK: "tw.unpack"(%{{.*}}) {columns = 100 : i64, lhs_offset = 128 : i64, rows = 66 : i64} : (tensor<3x18x48x4xi8>) -> tensor<66x100xi8>
  %0 = "tw.matmul"(%x, %w) {accumulate = i32} : (tensor<8x66xi8>, tensor<66x100xi8>) -> tensor<8x100xi32>
  return %0 : tensor<8x100xi32>
}
