// Pairs of bf16: by vdpbf16ps where it pays, else widened to f32 by a shift and a mask per vector of pairs.

// RUN: tilewright-opt %s -p 'tw-select-schedule{target=cpu:znver4},tw-pack-weights,tw-lower-templates{target=cpu:znver4}' | filecheck %s --check-prefixes=CHECK,DOT
// RUN: tilewright-opt %s -p 'tw-select-schedule{target=cpu:x86-64-v3},tw-pack-weights,tw-lower-templates{target=cpu:x86-64-v3}' | filecheck %s --check-prefixes=CHECK,WIDE

// A pair of a row is 32 bits, repeated over the vector. Rows are read where they are.
// CHECK-LABEL: func.func @packed(
// DOT-SAME: tw.scratch = "0"
// DOT: :24 = scf.for
// DOT-COUNT-3: vector.load %{{.*}} : memref<?xbf16>, vector<32xbf16>
// DOT: %[[PAIR:.*]] = vector.load %{{.*}} : memref<?xbf16>, vector<2xbf16>
// DOT: %[[WORD:.*]] = vector.bitcast %[[PAIR]] : vector<2xbf16> to vector<1xi32>
// DOT: %[[SCALAR:.*]] = vector.extract %[[WORD]][0] : i32 from vector<1xi32>
// DOT: %[[ALL:.*]] = vector.broadcast %[[SCALAR]] : i32 to vector<16xi32>
// DOT: %[[LEFT:.*]] = vector.bitcast %[[ALL]] : vector<16xi32> to vector<32xbf16>
// DOT-COUNT-3: llvm.call_intrinsic "llvm.x86.avx512bf16.dpbf16ps.512"(%{{.*}}, %[[LEFT]], %{{.*}}) : (vector<16xf32>, vector<32xbf16>, vector<32xbf16>) -> vector<16xf32>

// Rows are widened once, when they are copied, by a shift: bf16 are i16 where there are no instructions for them.
// WIDE: %[[HALVES:.*]] = vector.load %{{.*}} : memref<?xi16>, vector<8xi16>
// WIDE: %[[WORDS:.*]] = arith.extui %[[HALVES]] : vector<8xi16> to vector<8xi32>
// WIDE: arith.shli %[[WORDS]], %{{.*}} : vector<8xi32>
// WIDE: :10 = scf.for
// WIDE: %[[PAIRS:.*]] = vector.bitcast %{{.*}} : vector<16xi16> to vector<8xi32>
// WIDE: %[[FIRST:.*]] = arith.shli %[[PAIRS]], %{{.*}} : vector<8xi32>
// WIDE: %[[SECOND:.*]] = arith.andi %[[PAIRS]], %{{.*}} : vector<8xi32>
// WIDE: %[[A:.*]] = vector.bitcast %[[FIRST]] : vector<8xi32> to vector<8xf32>
// WIDE: %[[B:.*]] = vector.bitcast %[[SECOND]] : vector<8xi32> to vector<8xf32>
// WIDE: %[[SUM:.*]] = vector.fma %{{.*}}, %[[A]], %{{.*}} : vector<8xf32>
// WIDE: vector.fma %{{.*}}, %[[B]], %[[SUM]] : vector<8xf32>
func.func private @packed(%x: tensor<?x64xbf16, "d0, 64">, %w: tensor<64x384xbf16> {tw.weight}) -> tensor<?x384xf32, "d0, 384">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 4096>}} {
  %0 = "tw.matmul"(%x, %w) {accumulate = f32} : (tensor<?x64xbf16, "d0, 64">, tensor<64x384xbf16>) -> tensor<?x384xf32, "d0, 384">
  return %0 : tensor<?x384xf32, "d0, 384">
}

// Columns are neighbours: two rows of k are interleaved while a panel is packed; the odd one is followed by zeros, on the left side too.
// CHECK-LABEL: func.func @rows(
// DOT-SAME: tw.scratch = "{{[0-9]+}}"
// DOT: memref.store %{{.*}} : memref<?xbf16>
// DOT: scf.for
// DOT: %[[ROW:.*]] = arith.bitcast %{{.*}} : vector<16xbf16> to vector<16xi16>
// DOT: %[[NEXT:.*]] = arith.bitcast %{{.*}} : vector<16xbf16> to vector<16xi16>
// DOT: vector.shuffle %[[ROW]], %[[NEXT]] [0, 16, 1, 17
// DOT: %[[NONE:.*]] = arith.constant dense<0> : vector<16xi16>
// DOT: vector.shuffle %{{.*}}, %[[NONE]] [0, 16, 1, 17
func.func private @rows(%x: tensor<8x33xbf16>, %w: tensor<33x96xbf16>) -> tensor<8x96xf32>
    attributes {tw.kernel, tw.symbols = {}} {
  %0 = "tw.matmul"(%x, %w) {accumulate = f32} : (tensor<8x33xbf16>, tensor<33x96xbf16>) -> tensor<8x96xf32>
  return %0 : tensor<8x96xf32>
}

// k is contiguous: pairs are transposed as words. 40 pairs are three blocks of 16, of which the last starts earlier.
// CHECK-LABEL: func.func @transposed(
// DOT: arith.minsi %{{.*}} : index
// DOT: vector.load %{{.*}} : memref<?xbf16>, vector<32xbf16>
// DOT: vector.bitcast %{{.*}} : vector<32xbf16> to vector<16xi32>
// DOT-COUNT-64: vector.shuffle %{{.*}} : vector<16xi32>, vector<16xi32>
// DOT: vector.bitcast %{{.*}} : vector<16xi32> to vector<32xbf16>
func.func private @transposed(%x: tensor<8x80xbf16>, %w: tensor<96x80xbf16>) -> tensor<8x96xf32>
    attributes {tw.kernel, tw.symbols = {}} {
  %0 = "tw.matmul"(%x, %w) {accumulate = f32, transpose_rhs = true} : (tensor<8x80xbf16>, tensor<96x80xbf16>) -> tensor<8x96xf32>
  return %0 : tensor<8x96xf32>
}

// Sums rounded to bf16: an instruction, or integer arithmetic where there is none. The epilogue is computed in f32.
// CHECK-LABEL: func.func @rounded(
// CHECK: %[[SUM:.*]] = arith.addf %{{.*}}, %{{.*}} : vector<[[LANES:[0-9]+]]xf32>
// DOT: arith.truncf %[[SUM]] : vector<16xf32> to vector<16xbf16>
// WIDE-NOT: arith.truncf
// WIDE: arith.cmpf uno, %[[SUM]], %[[SUM]] : vector<8xf32>
// WIDE: %[[ROUNDED:.*]] = arith.trunci %{{.*}} : vector<8xi32> to vector<8xi16>
// WIDE: vector.store %[[ROUNDED]], %{{.*}} : memref<?xi16>, vector<8xi16>
func.func private @rounded(%x: tensor<8x80xf32>, %w: tensor<80x48xf32>) -> tensor<8x48xbf16>
    attributes {tw.kernel, tw.symbols = {}} {
  %0 = "tw.matmul"(%x, %w) : (tensor<8x80xf32>, tensor<80x48xf32>) -> tensor<8x48xf32>
  %1 = "tw.pointwise"(%0) ({
  ^bb0(%a: f32):
    %n = arith.truncf %a : f32 to bf16
    %s = arith.addf %n, %n : bf16
    "tw.yield"(%s) : (bf16) -> ()
  }) : (tensor<8x48xf32>) -> tensor<8x48xbf16>
  return %1 : tensor<8x48xbf16>
}
