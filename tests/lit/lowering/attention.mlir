// FlashAttention with transposed scores: lanes are queries, both products broadcast elements of k and v.

// RUN: tilewright-opt %s -p 'tw-lower-templates{target=cpu:x86-64-v4}' | filecheck %s

// Heads side by side are read by strides; k and v are copied once per head, the result is written side by side.
// CHECK-LABEL: func.func @projections(
// CHECK-SAME: tw.scratch = "{{.*}}d1{{.*}}", tw.trip_count = "12*ceildiv(d1, 32)*d0"
// CHECK: scf.for
// CHECK: scf.if
// CHECK-COUNT-64: vector.shuffle
// CHECK: :16 = scf.for
// CHECK: vector.fma
// CHECK-NOT: math.exp
// CHECK: mask.scalef.ps.512
// CHECK: :16 = scf.for
// CHECK-COUNT-64: vector.shuffle
func.func private @projections(%q: tensor<?x?x384xf32, "d0, d1, 384">, %k: tensor<?x?x384xf32, "d0, d1, 384">, %v: tensor<?x?x384xf32, "d0, d1, 384">)
    -> tensor<?x?x12x32xf32, "d0, d1, 12, 32">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 64>, d1 = array<i64: 1, 512>}, tw.schedule = {kind = "attention", vectors = 2 : i64, rows = 8 : i64, block = 256 : i64, source = "test"}} {
  %0 = "tw.reshape"(%q) {shape = "d0, d1, 12, 32"} : (tensor<?x?x384xf32, "d0, d1, 384">) -> tensor<?x?x12x32xf32, "d0, d1, 12, 32">
  %1 = "tw.reshape"(%k) {shape = "d0, d1, 12, 32"} : (tensor<?x?x384xf32, "d0, d1, 384">) -> tensor<?x?x12x32xf32, "d0, d1, 12, 32">
  %2 = "tw.reshape"(%v) {shape = "d0, d1, 12, 32"} : (tensor<?x?x384xf32, "d0, d1, 384">) -> tensor<?x?x12x32xf32, "d0, d1, 12, 32">
  %3 = "tw.transpose"(%0) {permutation = array<i64: 0, 2, 1, 3>} : (tensor<?x?x12x32xf32, "d0, d1, 12, 32">) -> tensor<?x12x?x32xf32, "d0, 12, d1, 32">
  %4 = "tw.transpose"(%1) {permutation = array<i64: 0, 2, 1, 3>} : (tensor<?x?x12x32xf32, "d0, d1, 12, 32">) -> tensor<?x12x?x32xf32, "d0, 12, d1, 32">
  %5 = "tw.transpose"(%2) {permutation = array<i64: 0, 2, 1, 3>} : (tensor<?x?x12x32xf32, "d0, d1, 12, 32">) -> tensor<?x12x?x32xf32, "d0, 12, d1, 32">
  %6 = "tw.attention"(%3, %4, %5) {scale = 0.125 : f64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0>}
      : (tensor<?x12x?x32xf32, "d0, 12, d1, 32">, tensor<?x12x?x32xf32, "d0, 12, d1, 32">, tensor<?x12x?x32xf32, "d0, 12, d1, 32">) -> tensor<?x12x?x32xf32, "d0, 12, d1, 32">
  %7 = "tw.transpose"(%6) {permutation = array<i64: 0, 2, 1, 3>} : (tensor<?x12x?x32xf32, "d0, 12, d1, 32">) -> tensor<?x?x12x32xf32, "d0, d1, 12, 32">
  return %7 : tensor<?x?x12x32xf32, "d0, d1, 12, 32">
}

// Grouped heads fill the lanes; causality compares key numbers with the last key that a lane sees.
// CHECK-LABEL: func.func @grouped_causal(
// CHECK-SAME: tw.trip_count = "2*ceildiv(4*d1, 32)*d0"
// CHECK: arith.divui %{{.*}} : vector<16xi32>
// CHECK: arith.cmpi sle, %{{.*}} : vector<16xi32>
func.func private @grouped_causal(%q: tensor<?x8x?x64xf32, "d0, 8, d1, 64">, %k: tensor<?x2x?x64xf32, "d0, 2, d2, 64">, %v: tensor<?x2x?x64xf32, "d0, 2, d2, 64">)
    -> tensor<?x8x?x64xf32, "d0, 8, d1, 64">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 64>, d1 = array<i64: 1, 512>, d2 = array<i64: 1, 512>}, tw.schedule = {kind = "attention", vectors = 2 : i64, rows = 8 : i64, block = 256 : i64, source = "test"}} {
  %0 = "tw.attention"(%q, %k, %v) {scale = 0.125 : f64, causal = true, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0>}
      : (tensor<?x8x?x64xf32, "d0, 8, d1, 64">, tensor<?x2x?x64xf32, "d0, 2, d2, 64">, tensor<?x2x?x64xf32, "d0, 2, d2, 64">) -> tensor<?x8x?x64xf32, "d0, 8, d1, 64">
  return %0 : tensor<?x8x?x64xf32, "d0, 8, d1, 64">
}

// Vectors of queries that see no more keys of a block are left out, of scores, of probabilities and of sums. Pairs of units, one from each
// end of the sequence, see the same number of keys.
// CHECK-LABEL: func.func @left_out(
// CHECK-SAME: tw.trip_count = "2*ceildiv(d1, 48)"
// CHECK: arith.select
// CHECK: :24 = scf.for
// CHECK: :16 = scf.for
// CHECK: :8 = scf.for
// CHECK: mask.scalef.ps.512
// CHECK: :24 = scf.for
// CHECK: %[[KEYS:.*]]:24 = scf.for
// CHECK: :16 = scf.for %{{.*}}iter_args(%{{[a-z0-9]+}} = %[[KEYS]]#1,
// CHECK: :8 = scf.for
func.func private @left_out(%q: tensor<1x2x?x64xf32, "1, 2, d1, 64">)
    -> tensor<1x2x?x64xf32, "1, 2, d1, 64">
    attributes {tw.kernel, tw.symbols = {d1 = array<i64: 1, 512>}, tw.schedule = {kind = "attention", vectors = 3 : i64, rows = 8 : i64, block = 256 : i64, source = "test"}} {
  %0 = "tw.attention"(%q, %q, %q) {scale = 0.125 : f64, causal = true, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0>}
      : (tensor<1x2x?x64xf32, "1, 2, d1, 64">, tensor<1x2x?x64xf32, "1, 2, d1, 64">, tensor<1x2x?x64xf32, "1, 2, d1, 64">) -> tensor<1x2x?x64xf32, "1, 2, d1, 64">
  return %0 : tensor<1x2x?x64xf32, "1, 2, d1, 64">
}
