// bf16 on tile registers: configured once per unit, two tiles of rows by two of columns, k in blocks between which sums wait in scratch.

// RUN: tilewright-opt %s -p 'tw-select-schedule{target=cpu:sapphirerapids},tw-pack-weights,tw-lower-templates{target=cpu:sapphirerapids}' | filecheck %s

// CHECK-LABEL: func.func @dense(
// Rows further apart than 1 KiB are copied next to each other, once per block of them.
// CHECK: scf.if
// CHECK: vector.store %{{.*}} : memref<?xbf16>, vector<16xbf16>
// CHECK: llvm.call_intrinsic "llvm.x86.ldtilecfg"

// The tile of 32 rows begins with zeros or with what it kept.
// CHECK: scf.if
// CHECK-COUNT-4: llvm.call_intrinsic "llvm.x86.tilezero"
// CHECK: } else {
// CHECK-COUNT-4: llvm.call_intrinsic "llvm.x86.tileloadd64"
// CHECK: scf.for
// CHECK: llvm.call_intrinsic "llvm.x86.tileloaddt164"
// CHECK: llvm.call_intrinsic "llvm.x86.tileloadd64"
// CHECK: llvm.call_intrinsic "llvm.x86.tdpbf16ps"
// CHECK: llvm.call_intrinsic "llvm.x86.tileloadd64"
// CHECK-COUNT-3: llvm.call_intrinsic "llvm.x86.tdpbf16ps"
// CHECK-COUNT-4: llvm.call_intrinsic "llvm.x86.tilestored64"

// The tile of 16 rows, or of fewer where the block has fewer.
// CHECK-COUNT-2: llvm.call_intrinsic "llvm.x86.tdpbf16ps"
// CHECK-COUNT-2: llvm.call_intrinsic "llvm.x86.tilestored64"

// The epilogue reads the sums behind the last block of k, and rounds once.
// CHECK: vector.load %{{.*}} : memref<?xf32>, vector<16xf32>
// CHECK: arith.truncf
// CHECK: vector.store %{{.*}} : memref<?xbf16>, vector<16xbf16>
// CHECK: llvm.call_intrinsic "llvm.x86.tilerelease"
func.func private @dense(%x: tensor<?x1024xbf16, "d0, 1024">, %w: tensor<64x1024xbf16> {tw.weight}) -> tensor<?x64xbf16, "d0, 64">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 4096>}} {
  %0 = "tw.matmul"(%x, %w) {transpose_rhs = true} : (tensor<?x1024xbf16, "d0, 1024">, tensor<64x1024xbf16>) -> tensor<?x64xbf16, "d0, 64">
  return %0 : tensor<?x64xbf16, "d0, 64">
}

// Few rows: one tile of rows by four of columns, three registers for the right side in turn, nothing kept between blocks of k.
// CHECK-LABEL: func.func @few(
// CHECK-NOT: scf.if
// CHECK: llvm.call_intrinsic "llvm.x86.ldtilecfg"
// CHECK-COUNT-4: llvm.call_intrinsic "llvm.x86.tilezero"
// CHECK: scf.for
// CHECK: llvm.call_intrinsic "llvm.x86.tileloadd64"
// CHECK: llvm.call_intrinsic "llvm.x86.tileloaddt164"
// CHECK-COUNT-4: llvm.call_intrinsic "llvm.x86.tdpbssd"
func.func private @few(%x: tensor<8x128xi8>, %w: tensor<64x128xi8> {tw.weight}) -> tensor<8x64xi32> attributes {tw.kernel} {
  %0 = "tw.matmul"(%x, %w) {accumulate = i32, transpose_rhs = true} : (tensor<8x128xi8>, tensor<64x128xi8>) -> tensor<8x64xi32>
  return %0 : tensor<8x64xi32>
}
