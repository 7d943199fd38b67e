// Few queries over a long cache: lanes are head dimensions, and become keys by shuffles; the cache is read in place, and once.

// RUN: tilewright-opt %s -p 'tw-lower-templates{target=cpu:x86-64-v4}' | filecheck %s

// Four keys by four rows of queries. Rows are prefetched; no key is copied.
// CHECK-LABEL: func.func @grouped(
// CHECK-SAME: tw.scratch = "{{[0-9]+}}", tw.trip_count = "2*d0"
// CHECK: scf.for
// CHECK: memref.prefetch %{{.*}} locality<2>
// CHECK-COUNT-48: math.fma
// CHECK-COUNT-24: vector.shuffle
// CHECK: vector.reduction <maxnumf>
// CHECK-NOT: math.exp
// CHECK: mask.scalef.ps.512
// CHECK: :16 = scf.for
// CHECK: vector.reduction <add>
func.func private @grouped(%q: tensor<?x8x1x64xf32, "d0, 8, 1, 64">, %k: tensor<?x2x?x64xf32, "d0, 2, d1, 64">, %v: tensor<?x2x?x64xf32, "d0, 2, d1, 64">)
    -> tensor<?x8x1x64xf32, "d0, 8, 1, 64">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 64>, d1 = array<i64: 1, 512>}, tw.schedule = {kind = "attention-decode", tile = 4 : i64, rows = 4 : i64, block = 32 : i64, prefetch = 32 : i64, source = "test"}} {
  %0 = "tw.attention"(%q, %k, %v) {scale = 0.125 : f64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0>}
      : (tensor<?x8x1x64xf32, "d0, 8, 1, 64">, tensor<?x2x?x64xf32, "d0, 2, d1, 64">, tensor<?x2x?x64xf32, "d0, 2, d1, 64">) -> tensor<?x8x1x64xf32, "d0, 8, 1, 64">
  return %0 : tensor<?x8x1x64xf32, "d0, 8, 1, 64">
}

// Slices of the keys are units of work; bf16 becomes f32 by a shift and a mask, pages are looked up.
// CHECK-LABEL: func.func @slices_of_pages(
// CHECK-SAME: tw.trip_count = "8*d0"
// CHECK: memref.load %{{.*}} : memref<?xi32
// CHECK: vector.bitcast %{{.*}} : vector<32xi16> to vector<16xi32>
// CHECK: arith.shli
// CHECK: arith.andi
func.func private @slices_of_pages(%q: tensor<?x4x1x64xf32, "d0, 4, 1, 64">, %k: tensor<?x1x16x64xbf16, "d1, 1, 16, 64">, %v: tensor<?x1x16x64xbf16, "d1, 1, 16, 64">, %n: tensor<?xi64, "d0">, %t: tensor<?x512xi32, "d0, 512">)
    -> (tensor<8x?x4x1x64xf32, "8, d0, 4, 1, 64">, tensor<8x?x4x1xf32, "8, d0, 4, 1">)
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 64>, d1 = array<i64: 1, 512>}, tw.schedule = {kind = "attention-decode", tile = 4 : i64, rows = 4 : i64, block = 32 : i64, prefetch = 0 : i64, source = "test"}} {
  %0:2 = "tw.attention"(%q, %k, %v, %n, %t) {scale = 0.125 : f64, logsumexp = true, splits = 8 : i64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 1, 0, 0, 1, 0, 0, 0>}
      : (tensor<?x4x1x64xf32, "d0, 4, 1, 64">, tensor<?x1x16x64xbf16, "d1, 1, 16, 64">, tensor<?x1x16x64xbf16, "d1, 1, 16, 64">, tensor<?xi64, "d0">, tensor<?x512xi32, "d0, 512">)
      -> (tensor<8x?x4x1x64xf32, "8, d0, 4, 1, 64">, tensor<8x?x4x1xf32, "8, d0, 4, 1">)
  return %0#0, %0#1 : tensor<8x?x4x1x64xf32, "8, d0, 4, 1, 64">, tensor<8x?x4x1xf32, "8, d0, 4, 1">
}
