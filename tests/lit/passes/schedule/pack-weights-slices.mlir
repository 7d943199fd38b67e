// RUN: tilewright-opt %s --split-input-file --verify-diagnostics -p 'tw-pack-weights' | filecheck %s

// The matrix is packed as a whole; the kernel takes the slices of it apart.
// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<8x2x32xf32>) -> tensor<2x8x100xf32> {
  // CHECK: %[[W:.*]] = "tw.weight"() {layout = {kind = "panels", nr = "48", transposed = "true"}, name = "w"} : () -> tensor<3x64x48xf32>
  // CHECK: "tw.launch"(%{{.*}}, %[[W]])
  %w = "tw.weight"() {name = "w"} : () -> tensor<100x64xf32>
  %0 = "tw.launch"(%x, %w) {callee = @matmul} : (tensor<8x2x32xf32>, tensor<100x64xf32>) -> tensor<2x8x100xf32>
  return %0 : tensor<2x8x100xf32>
}
// CHECK-LABEL: func.func private @matmul
func.func private @matmul(%x: tensor<8x2x32xf32>, %w: tensor<100x64xf32> {tw.weight}) -> tensor<2x8x100xf32> attributes {tw.kernel, tw.schedule = {kind = "matmul", mr = 8 : i64, nr = 48 : i64, rhs = "packed", source = "test"}} {
  // CHECK: %[[U:.*]] = "tw.unpack"(%{{.*}}) {columns = 100 : i64, transposed = true}
  // CHECK: %[[R:.*]] = "tw.reshape"(%[[U]]) {shape = "100, 2, 32"}
  // CHECK: %[[T:.*]] = "tw.transpose"(%[[R]])
  // CHECK: "tw.matmul"(%{{.*}}, %[[T]])
  %0 = "tw.transpose"(%x) {permutation = array<i64: 1, 0, 2>} : (tensor<8x2x32xf32>) -> tensor<2x8x32xf32>
  %1 = "tw.reshape"(%w) {shape = "100, 2, 32"} : (tensor<100x64xf32>) -> tensor<100x2x32xf32>
  %2 = "tw.transpose"(%1) {permutation = array<i64: 1, 0, 2>} : (tensor<100x2x32xf32>) -> tensor<2x100x32xf32>
  %3 = "tw.matmul"(%0, %2) {transpose_rhs = true} : (tensor<2x8x32xf32>, tensor<2x100x32xf32>) -> tensor<2x8x100xf32>
  return %3 : tensor<2x8x100xf32>
}

// -----

func.func private @ragged_groups(%x: tensor<2x8x27xbf16>, %w: tensor<54x96xbf16> {tw.weight}) -> tensor<2x8x96xf32> attributes {tw.kernel, tw.schedule = {kind = "matmul", mr = 8 : i64, nr = 48 : i64, rhs = "packed", instruction = "vdpbf16ps", source = "test"}} {
  %0 = "tw.reshape"(%w) {shape = "2, 27, 96"} : (tensor<54x96xbf16>) -> tensor<2x27x96xbf16>
  // expected-error@+1 {{a weight cannot be packed for the schedule of its kernel}}
  %1 = "tw.matmul"(%x, %0) {accumulate = f32} : (tensor<2x8x27xbf16>, tensor<2x27x96xbf16>) -> tensor<2x8x96xf32>
  return %1 : tensor<2x8x96xf32>
}

// -----

func.func private @sums_of_columns(%x: tensor<2x8x32xi8>, %w: tensor<64x96xi8> {tw.weight}) -> tensor<2x8x96xi32> attributes {tw.kernel, tw.schedule = {kind = "matmul", mr = 8 : i64, nr = 48 : i64, rhs = "packed", instruction = "vpdpbusd", source = "test"}} {
  %0 = "tw.reshape"(%w) {shape = "2, 32, 96"} : (tensor<64x96xi8>) -> tensor<2x32x96xi8>
  // expected-error@+1 {{a weight cannot be packed for the schedule of its kernel}}
  %1 = "tw.matmul"(%x, %0) {accumulate = i32} : (tensor<2x8x32xi8>, tensor<2x32x96xi8>) -> tensor<2x8x96xi32>
  return %1 : tensor<2x8x96xi32>
}
