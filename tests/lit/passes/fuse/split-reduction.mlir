// RUN: tilewright-opt %s -p 'tw-split-reduction{target=cpu:x86-64-v4 below=16 units=16}' | filecheck %s --enable-var-scope
// RUN: tilewright-opt %s -p 'tw-split-reduction{target=cpu:x86-64-v4}' | filecheck %s --check-prefix=DEFAULT
// RUN: tilewright-opt %s -p 'tw-split-reduction{target=cpu:x86-64-v4 units=1}' | filecheck %s --check-prefix=ONE
// RUN: tilewright-opt %s -p 'tw-split-reduction{target=cpu:x86-64-v4 units=2}' | filecheck %s --check-prefix=TWO
// RUN: tilewright-opt %s -p 'tw-split-reduction{target=cpu:x86-64-v4 units=16},tw-fuse,tw-outline,tw-select-schedule{target=cpu:x86-64-v4},tw-pack-weights' | filecheck %s --check-prefix=KERNEL

// ONE-NOT: tw.slice

// A matrix as it is stored by torch: slices of its rows are batch elements by a reshape and a transpose, inside the kernel.
// KERNEL-LABEL: func.func @transposed
// KERNEL: %[[ROWS:.*]] = "tw.reshape"(%{{.*}}) {shape = "4, 16, 2048"}
// KERNEL: %[[PANELS:.*]] = "tw.weight"() {layout = {kind = "panels", nr = "{{[0-9]+}}", transposed = "true"}, name = "w"} : () -> tensor<{{[0-9]+}}x32768x{{[0-9]+}}xf32>
// KERNEL: %[[SUMS:.*]] = "tw.launch"(%[[ROWS]], %[[PANELS]]) {callee = @[[MATMUL:.*]]} : {{.*}} -> tensor<16x4x16xf32>
// KERNEL: "tw.launch"(%[[SUMS]], %{{.*}}) {callee = @{{slice_add.*}}}
// KERNEL: func.func private @transpose_matmul(
// KERNEL: %[[WHOLE:.*]] = "tw.unpack"
// KERNEL: %[[SPLIT:.*]] = "tw.reshape"(%[[WHOLE]]) {shape = "16, 16, 2048"}
// KERNEL: %[[SLICES:.*]] = "tw.transpose"(%[[SPLIT]]) {permutation = array<i64: 1, 0, 2>}
// KERNEL: "tw.matmul"(%{{.*}}, %[[SLICES]]) {transpose_rhs = true}

// TWO-LABEL: func.func @transposed
// TWO: "tw.matmul"{{.*}} -> tensor<2x4x16xf32>
// TWO: arith.addf

// CHECK-LABEL: func.func @transposed
func.func @transposed(%x: tensor<4x32768xf32>) -> tensor<4x16xf32> {
  // CHECK: %[[W:.*]] = "tw.weight"
  %w = "tw.weight"() {name = "w"} : () -> tensor<16x32768xf32>
  %b = "tw.weight"() {name = "b"} : () -> tensor<16xf32>
  // CHECK: %[[X:.*]] = "tw.reshape"(%{{.*}}) {shape = "4, 16, 2048"}
  // CHECK: %[[LHS:.*]] = "tw.transpose"(%[[X]]) {permutation = array<i64: 1, 0, 2>} : {{.*}} -> tensor<16x4x2048xf32>
  // CHECK: %[[PARTS:.*]] = "tw.reshape"(%[[W]]) {shape = "16, 16, 2048"}
  // CHECK: %[[RHS:.*]] = "tw.transpose"(%[[PARTS]]) {permutation = array<i64: 1, 0, 2>} : {{.*}} -> tensor<16x16x2048xf32>
  // CHECK: %[[SUMS:.*]] = "tw.matmul"(%[[LHS]], %[[RHS]]) {transpose_rhs = true} : {{.*}} -> tensor<16x4x16xf32>
  // CHECK: %[[FIRST:.*]] = "tw.slice"(%[[SUMS]]) {sizes = "1, 4, 16", starts = "0, 0, 0"
  // CHECK: "tw.reshape"(%[[FIRST]]) {shape = "4, 16"}
  // CHECK: %[[LAST:.*]] = "tw.slice"(%[[SUMS]]) {sizes = "1, 4, 16", starts = "15, 0, 0"
  // CHECK: %[[TERM:.*]] = "tw.reshape"(%[[LAST]]) {shape = "4, 16"}
  // CHECK: %[[TOTAL:.*]] = "tw.pointwise"({{.*}}, %[[TERM]])
  // CHECK-COUNT-15: arith.addf
  // CHECK: "tw.pointwise"(%[[TOTAL]], %{{.*}})
  %0 = "tw.matmul"(%x, %w) {transpose_rhs = true} : (tensor<4x32768xf32>, tensor<16x32768xf32>) -> tensor<4x16xf32>
  %1 = "tw.pointwise"(%0, %b) ({
    ^bb0(%a: f32, %c: f32):
      %s = arith.addf %a, %c : f32
      "tw.yield"(%s) : (f32) -> ()
  }) : (tensor<4x16xf32>, tensor<16xf32>) -> tensor<4x16xf32>
  return %1 : tensor<4x16xf32>
}

// Rows in several dimensions, dynamic up to a small number; slices of [k, n] need no transpose.
// CHECK-LABEL: func.func @few_dynamic_rows
func.func @few_dynamic_rows(%x: tensor<?x3x32768xf32, "s0, 3, 32768">) -> tensor<?x3x16xf32, "s0, 3, 16"> attributes {tw.symbols = {s0 = array<i64: 1, 4>}} {
  %w = "tw.weight"() {name = "w"} : () -> tensor<32768x16xf32>
  // CHECK: "tw.reshape"(%{{.*}}) {shape = "3*s0, 16, 2048"}
  // CHECK: "tw.transpose"(%{{.*}}) {permutation = array<i64: 1, 0, 2>} : {{.*}} -> tensor<16x?x2048xf32, "16, 3*s0, 2048">
  // CHECK: %[[RHS:.*]] = "tw.reshape"(%{{.*}}) {shape = "16, 2048, 16"}
  // CHECK: %[[SUMS:.*]] = "tw.matmul"(%{{.*}}, %[[RHS]])
  // CHECK: "tw.reshape"(%[[SUMS]]) {shape = "16, s0, 3, 16"}
  // CHECK: "tw.slice"(%{{.*}}) {sizes = "1, s0, 3, 16", starts = "15, 0, 0, 0"
  %0 = "tw.matmul"(%x, %w) : (tensor<?x3x32768xf32, "s0, 3, 32768">, tensor<32768x16xf32>) -> tensor<?x3x16xf32, "s0, 3, 16">
  return %0 : tensor<?x3x16xf32, "s0, 3, 16">
}

// Sums stay in f32 and are rounded once; casts stay in front of the matmul, which converts while it loads.
// CHECK-LABEL: func.func @half_precision
func.func @half_precision(%x: tensor<4x65536xf32>, %w: tensor<16x65536xbf16>) -> tensor<4x16xbf16> {
  // CHECK: %[[X:.*]] = "tw.transpose"(%{{.*}}) {permutation = array<i64: 1, 0, 2>} : (tensor<4x16x4096xf32>)
  // CHECK: %[[LHS:.*]] = "tw.pointwise"(%[[X]])
  // CHECK: arith.truncf
  // CHECK: "tw.matmul"(%[[LHS]], %{{.*}}) {accumulate = f32, transpose_rhs = true} : {{.*}} -> tensor<16x4x16xf32>
  // CHECK-COUNT-15: arith.addf
  // CHECK: arith.truncf
  %n = "tw.pointwise"(%x) ({
    ^bb0(%a: f32):
      %s = arith.truncf %a : f32 to bf16
      "tw.yield"(%s) : (bf16) -> ()
  }) : (tensor<4x65536xf32>) -> tensor<4x65536xbf16>
  %0 = "tw.matmul"(%n, %w) {transpose_rhs = true} : (tensor<4x65536xbf16>, tensor<16x65536xbf16>) -> tensor<4x16xbf16>
  return %0 : tensor<4x16xbf16>
}

// CHECK-LABEL: func.func @bytes
func.func @bytes(%x: tensor<4x131072xi8>, %w: tensor<131072x16xi8>) -> tensor<4x16xi32> {
  // CHECK: "tw.matmul"(%{{.*}}, %{{.*}}) {accumulate = i32} : {{.*}} -> tensor<16x4x16xi32>
  // CHECK-COUNT-15: arith.addi
  %0 = "tw.matmul"(%x, %w) {accumulate = i32} : (tensor<4x131072xi8>, tensor<131072x16xi8>) -> tensor<4x16xi32>
  return %0 : tensor<4x16xi32>
}

// Several panels are enough by default, which is for few threads.
// CHECK-LABEL: func.func @several_units
// DEFAULT-LABEL: func.func @several_units
func.func @several_units(%x: tensor<1x8192xf32>, %w: tensor<8192x240xf32>) -> tensor<1x240xf32> {
  // CHECK: "tw.matmul"{{.*}} -> tensor<{{[0-9]+}}x1x240xf32>
  // DEFAULT-NEXT: "tw.matmul"
  %0 = "tw.matmul"(%x, %w) : (tensor<1x8192xf32>, tensor<8192x240xf32>) -> tensor<1x240xf32>
  return %0 : tensor<1x240xf32>
}

// CHECK-LABEL: func.func @enough_units
func.func @enough_units(%x: tensor<1x8192xf32>, %w: tensor<8192x4096xf32>) -> tensor<1x4096xf32> {
  // CHECK-NEXT: "tw.matmul"
  %0 = "tw.matmul"(%x, %w) : (tensor<1x8192xf32>, tensor<8192x4096xf32>) -> tensor<1x4096xf32>
  return %0 : tensor<1x4096xf32>
}

// Matmuls of one left side may share a kernel, and its units.
// TWO-LABEL: func.func @products_of_one_left_side
func.func @products_of_one_left_side(%x: tensor<1x32768xf32>, %v: tensor<32768x16xf32>, %w: tensor<32768x16xf32>) -> (tensor<1x16xf32>, tensor<1x16xf32>) {
  // TWO-NEXT: "tw.matmul"
  // TWO-NEXT: "tw.matmul"
  %0 = "tw.matmul"(%x, %v) : (tensor<1x32768xf32>, tensor<32768x16xf32>) -> tensor<1x16xf32>
  %1 = "tw.matmul"(%x, %w) : (tensor<1x32768xf32>, tensor<32768x16xf32>) -> tensor<1x16xf32>
  return %0, %1 : tensor<1x16xf32>, tensor<1x16xf32>
}

// CHECK-LABEL: func.func @short_sums
func.func @short_sums(%x: tensor<20x2040xf32>, %w: tensor<2040x240xf32>) -> tensor<20x240xf32> {
  // CHECK-NEXT: "tw.matmul"
  %0 = "tw.matmul"(%x, %w) : (tensor<20x2040xf32>, tensor<2040x240xf32>) -> tensor<20x240xf32>
  return %0 : tensor<20x240xf32>
}

// CHECK-LABEL: func.func @prime_depth
func.func @prime_depth(%x: tensor<4x32749xf32>, %w: tensor<32749x16xf32>) -> tensor<4x16xf32> {
  // CHECK-NEXT: "tw.matmul"
  %0 = "tw.matmul"(%x, %w) : (tensor<4x32749xf32>, tensor<32749x16xf32>) -> tensor<4x16xf32>
  return %0 : tensor<4x16xf32>
}

// So little that a second thread would gain nothing.
// CHECK-LABEL: func.func @few_bytes
func.func @few_bytes(%x: tensor<1x4096xf32>, %w: tensor<4096x16xf32>) -> tensor<1x16xf32> {
  // CHECK-NEXT: "tw.matmul"
  %0 = "tw.matmul"(%x, %w) : (tensor<1x4096xf32>, tensor<4096x16xf32>) -> tensor<1x16xf32>
  return %0 : tensor<1x16xf32>
}

// Any number of rows: usually enough units, and sums that cost more than they bring.
// CHECK-LABEL: func.func @many_rows
func.func @many_rows(%x: tensor<?x8192xf32, "s0, 8192">, %w: tensor<8192x64xf32>) -> tensor<?x64xf32, "s0, 64"> attributes {tw.symbols = {s0 = array<i64: 1, 4096>}} {
  // CHECK-NEXT: "tw.matmul"
  %0 = "tw.matmul"(%x, %w) : (tensor<?x8192xf32, "s0, 8192">, tensor<8192x64xf32>) -> tensor<?x64xf32, "s0, 64">
  return %0 : tensor<?x64xf32, "s0, 64">
}

// CHECK-LABEL: func.func @dynamic_depth
func.func @dynamic_depth(%x: tensor<4x?xf32, "4, s0">, %w: tensor<?x64xf32, "s0, 64">) -> tensor<4x64xf32> attributes {tw.symbols = {s0 = array<i64: 8192, 65536>}} {
  // CHECK-NEXT: "tw.matmul"
  %0 = "tw.matmul"(%x, %w) : (tensor<4x?xf32, "4, s0">, tensor<?x64xf32, "s0, 64">) -> tensor<4x64xf32>
  return %0 : tensor<4x64xf32>
}

// CHECK-LABEL: func.func @batches
func.func @batches(%x: tensor<2x4x8192xf32>, %w: tensor<2x8192x64xf32>) -> tensor<2x4x64xf32> {
  // CHECK-NEXT: "tw.matmul"
  %0 = "tw.matmul"(%x, %w) : (tensor<2x4x8192xf32>, tensor<2x8192x64xf32>) -> tensor<2x4x64xf32>
  return %0 : tensor<2x4x64xf32>
}
