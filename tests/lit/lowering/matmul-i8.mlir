// i8 by vpdpbusd, which multiplies unsigned by signed: rows are stored with 128 added and the sums begin with what that adds too much.
// Without it, pairs of i16.

// RUN: tilewright-opt %s -p 'tw-select-schedule{target=cpu:icelake-server},tw-pack-weights,tw-lower-templates{target=cpu:icelake-server}' | filecheck %s --check-prefixes=CHECK,DOT
// RUN: tilewright-opt %s -p 'tw-select-schedule{target=cpu:alderlake},tw-pack-weights,tw-lower-templates{target=cpu:alderlake}' | filecheck %s --check-prefixes=CHECK,DOT256
// RUN: tilewright-opt %s -p 'tw-select-schedule{target=cpu:x86-64-v3},tw-pack-weights,tw-lower-templates{target=cpu:x86-64-v3}' | filecheck %s --check-prefixes=CHECK,PAIRS

// The offset is added while rows are copied, never in the loop over k; the sums of the columns lie behind the 16 groups of a panel.
// CHECK-LABEL: func.func @packed(
// DOT: %[[FLIP:.*]] = arith.constant dense<-128> : vector<16xi8>
// DOT: arith.addi %{{.*}}, %[[FLIP]] : vector<16xi8>
// DOT: %[[SUMS:.*]] = vector.load %{{.*}} : memref<?xi8>, vector<64xi8>
// DOT: %[[BEGIN:.*]] = vector.bitcast %[[SUMS]] : vector<64xi8> to vector<16xi32>
// DOT: :24 = scf.for %{{.*}} iter_args(%{{[a-z0-9]+}} = %[[BEGIN]],
// DOT-NOT: dense<-128>
// DOT: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%{{.*}}) : (vector<16xi32>, vector<64xi8>, vector<64xi8>) -> vector<16xi32>
// DOT256: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.256"(%{{.*}}) : (vector<8xi32>, vector<32xi8>, vector<32xi8>) -> vector<8xi32>
// PAIRS: arith.extsi %{{.*}} : vector<8xi8> to vector<8xi16>
// PAIRS: :12 = scf.for
// PAIRS: %[[W:.*]] = vector.load %{{.*}} : memref<?xi8>, vector<16xi8>
// PAIRS: arith.extsi %[[W]] : vector<16xi8> to vector<16xi16>
// PAIRS: %[[TWO:.*]] = llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"(%{{.*}}) : (vector<16xi16>, vector<16xi16>) -> vector<8xi32>
// PAIRS: arith.addi %{{.*}}, %[[TWO]] : vector<8xi32>
func.func private @packed(%x: tensor<?x64xi8, "d0, 64">, %w: tensor<64x384xi8> {tw.weight}) -> tensor<?x384xi32, "d0, 384">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 4096>}} {
  %0 = "tw.matmul"(%x, %w) {accumulate = i32} : (tensor<?x64xi8, "d0, 64">, tensor<64x384xi8>) -> tensor<?x384xi32, "d0, 384">
  return %0 : tensor<?x384xi32, "d0, 384">
}

// Packed when the kernel runs: four rows of k are interleaved, then the columns are summed by the instruction itself.
// CHECK-LABEL: func.func @rows(
// DOT: vector.shuffle %{{.*}} : vector<16xi8>, vector<16xi8>
// DOT: vector.shuffle %{{.*}} : vector<32xi8>, vector<32xi8>
// DOT: %[[ONES:.*]] = arith.constant dense<1> : vector<64xi8>
// DOT: %[[TOTALS:.*]]:3 = scf.for
// DOT: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%{{.*}}, %[[ONES]], %{{.*}})
// DOT: %[[FACTOR:.*]] = arith.constant dense<-128> : vector<16xi32>
// DOT: arith.muli %[[TOTALS]]#0, %[[FACTOR]] : vector<16xi32>
// DOT: :24 = scf.for
func.func private @rows(%x: tensor<8x64xi8>, %w: tensor<64x96xi8>) -> tensor<8x96xi32>
    attributes {tw.kernel, tw.symbols = {}} {
  %0 = "tw.matmul"(%x, %w) {accumulate = i32} : (tensor<8x64xi8>, tensor<64x96xi8>) -> tensor<8x96xi32>
  return %0 : tensor<8x96xi32>
}
