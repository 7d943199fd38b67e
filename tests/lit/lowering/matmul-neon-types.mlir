// bf16 and i8 on AArch64: blocks of two rows and two columns, dot products, and multiply-adds where there is neither.

// RUN: tilewright-opt %s -p 'tw-select-schedule{target=cpu:neoverse-v1},tw-pack-weights,tw-lower-templates{target=cpu:neoverse-v1}' | filecheck %s --check-prefixes=CHECK,BLOCKS
// RUN: tilewright-opt %s -p 'tw-select-schedule{target=cpu:neoverse-n1},tw-pack-weights,tw-lower-templates{target=cpu:neoverse-n1}' | filecheck %s --check-prefixes=CHECK,DOT
// RUN: tilewright-opt %s -p 'tw-select-schedule{target=cpu:aarch64},tw-pack-weights,tw-lower-templates{target=cpu:aarch64}' | filecheck %s --check-prefixes=CHECK,PLAIN

// The blocks of an accumulator become rows when the tile is done.
// CHECK-LABEL: func.func @bf16(
// BLOCKS: %[[TILE:.*]]:24 = scf.for
// BLOCKS: %[[UPPER:.*]] = vector.load %{{.*}} : memref<?xbf16>, vector<4xbf16>
// BLOCKS: %[[LOWER:.*]] = vector.load %{{.*}} : memref<?xbf16>, vector<4xbf16>
// BLOCKS: %[[LEFT:.*]] = vector.shuffle %[[UPPER]], %[[LOWER]] [0, 1, 2, 3, 4, 5, 6, 7]
// BLOCKS: llvm.call_intrinsic "llvm.aarch64.neon.bfmmla"(%{{.*}}, %[[LEFT]], %{{.*}}) : (vector<4xf32>, vector<8xbf16>, vector<8xbf16>) -> vector<4xf32>
// BLOCKS: vector.shuffle %[[TILE]]#0, %[[TILE]]#1 [0, 1, 4, 5]
// BLOCKS: vector.shuffle %[[TILE]]#0, %[[TILE]]#1 [2, 3, 6, 7]
// DOT: arith.shli %{{.*}} : vector<4xi32>
// DOT: vector.fma %{{.*}} : vector<4xf32>
func.func private @bf16(%x: tensor<?x64xbf16, "d0, 64">, %w: tensor<64x384xbf16> {tw.weight}) -> tensor<?x384xf32, "d0, 384">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 4096>}} {
  %0 = "tw.matmul"(%x, %w) {accumulate = f32} : (tensor<?x64xbf16, "d0, 64">, tensor<64x384xbf16>) -> tensor<?x384xf32, "d0, 384">
  return %0 : tensor<?x384xf32, "d0, 384">
}

// CHECK-LABEL: func.func @i8(
// BLOCKS: llvm.call_intrinsic "llvm.aarch64.neon.smmla.v4i32.v16i8"(%{{.*}}) : (vector<4xi32>, vector<16xi8>, vector<16xi8>) -> vector<4xi32>
// DOT: vector.bitcast %{{.*}} : vector<4xi8> to vector<1xi32>
// DOT: llvm.call_intrinsic "llvm.aarch64.neon.sdot.v4i32.v16i8"(%{{.*}}) : (vector<4xi32>, vector<16xi8>, vector<16xi8>) -> vector<4xi32>
// PLAIN: arith.extsi %{{.*}} : vector<4xi8> to vector<4xi32>
// PLAIN: arith.muli %{{.*}} : vector<4xi32>
func.func private @i8(%x: tensor<?x64xi8, "d0, 64">, %w: tensor<64x384xi8> {tw.weight}) -> tensor<?x384xi32, "d0, 384">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 4096>}} {
  %0 = "tw.matmul"(%x, %w) {accumulate = i32} : (tensor<?x64xi8, "d0, 64">, tensor<64x384xi8>) -> tensor<?x384xi32, "d0, 384">
  return %0 : tensor<?x384xi32, "d0, 384">
}
