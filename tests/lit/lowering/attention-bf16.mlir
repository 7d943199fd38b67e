// bf16 on tile registers, on pairs of vectors, and widened, as the target has them.

// RUN: tilewright-opt %s -p 'tw-select-schedule{target=cpu:sapphirerapids},tw-lower-templates{target=cpu:sapphirerapids}' | filecheck %s --check-prefix=TILES
// RUN: tilewright-opt %s -p 'tw-select-schedule{target=cpu:znver4},tw-lower-templates{target=cpu:znver4}' | filecheck %s --check-prefix=PAIRS
// RUN: tilewright-opt %s -p 'tw-select-schedule{target=cpu:x86-64-v3},tw-lower-templates{target=cpu:x86-64-v3}' | filecheck %s --check-prefix=WIDE

// Tiles are configured once per call. The rows of the last group of keys, which may be fewer than 32, are copied; V is packed transposed.
// TILES-LABEL: func.func @grouped(
// TILES: llvm.call_intrinsic "llvm.x86.ldtilecfg"
// TILES: scf.for
// TILES: scf.if
// TILES: vector.store %{{.*}} : memref<?xbf16>, vector<32xbf16>
// TILES: vector.maskedload
// Queries become pairs of dimensions.
// TILES: vector.bitcast %{{.*}} : vector<32xbf16> to vector<16xi32>
// Two tiles of keys meet two of queries, over two groups of 32 dimensions.
// TILES-COUNT-4: llvm.call_intrinsic "llvm.x86.tilezero"
// TILES-COUNT-8: llvm.call_intrinsic "llvm.x86.tdpbf16ps"
// TILES-NOT: llvm.call_intrinsic "llvm.x86.tdpbf16ps"
// TILES-COUNT-4: llvm.call_intrinsic "llvm.x86.tilestored64"
// Scores that all queries see are left as they are: the scale is a part of the exponential.
// TILES: arith.select
// TILES: math.fma
// TILES: llvm.call_intrinsic "llvm.x86.avx512.mask.reduce.ps.512"
// TILES: llvm.call_intrinsic "llvm.x86.avx512.mask.scalef.ps.512"
// Two probabilities become one word.
// TILES: arith.shrui
// TILES: arith.ori
// Sums are read, added to over all groups of keys, and written.
// TILES-COUNT-4: llvm.call_intrinsic "llvm.x86.tileloadd64"
// TILES: scf.for
// TILES-COUNT-4: llvm.call_intrinsic "llvm.x86.tdpbf16ps"
// TILES-COUNT-4: llvm.call_intrinsic "llvm.x86.tilestored64"
// Results are rounded once, and transposed as pairs.
// TILES: llvm.call_intrinsic "llvm.x86.avx512bf16.cvtne2ps2bf16.512"
// TILES: llvm.call_intrinsic "llvm.x86.tilerelease"

// PAIRS-LABEL: func.func @grouped(
// PAIRS: vector.bitcast %{{.*}} : vector<32xbf16> to vector<16xi32>
// PAIRS-COUNT-16: llvm.call_intrinsic "llvm.x86.avx512bf16.dpbf16ps.512"
// PAIRS: arith.shrui
// PAIRS: llvm.call_intrinsic "llvm.x86.avx512bf16.dpbf16ps.512"
// PAIRS: llvm.call_intrinsic "llvm.x86.avx512bf16.cvtne2ps2bf16.512"

// Without instructions for bf16, its values are integers: widened by a shift, rounded by additions.
// WIDE-LABEL: func.func @grouped(
// WIDE-SAME: memref<i16>
// WIDE-NOT: bf16
// WIDE: arith.shli
// WIDE: vector.fma
// WIDE: arith.trunci %{{.*}} : vector<8xi32> to vector<8xi16>
func.func private @grouped(%q: tensor<?x8x?x64xbf16, "d0, 8, d1, 64">, %k: tensor<?x2x?x64xbf16, "d0, 2, d2, 64">, %v: tensor<?x2x?x64xbf16, "d0, 2, d2, 64">)
    -> tensor<?x8x?x64xbf16, "d0, 8, d1, 64">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 64>, d1 = array<i64: 1, 512>, d2 = array<i64: 1, 512>}} {
  %0 = "tw.attention"(%q, %k, %v) {causal = true, scale = 0.125 : f64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0>}
      : (tensor<?x8x?x64xbf16, "d0, 8, d1, 64">, tensor<?x2x?x64xbf16, "d0, 2, d2, 64">, tensor<?x2x?x64xbf16, "d0, 2, d2, 64">) -> tensor<?x8x?x64xbf16, "d0, 8, d1, 64">
  return %0 : tensor<?x8x?x64xbf16, "d0, 8, d1, 64">
}
