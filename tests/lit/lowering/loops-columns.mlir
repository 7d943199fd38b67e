// Columns: a reduction across rows keeps one sum per lane; blocks of columns are the units of work.

// RUN: tilewright-opt %s -p 'tw-lower-to-linalg,tw-emit-loops{target=cpu:x86-64-v3},canonicalize,cse' | filecheck %s

// CHECK-LABEL: func.func @masked_sum(
// CHECK-SAME: tw.trip_count = "12*d0"
// CHECK: %[[SUMS:.*]]:4 = scf.for {{.*}} -> (vector<8xf32>, vector<8xf32>, vector<8xf32>, vector<8xf32>)

// Sums of 64 rows are added to the total, and the mask is one scalar a row.
// CHECK: %[[BLOCK:.*]]:4 = scf.for
// CHECK: memref.load
// CHECK: vector.broadcast
// CHECK-COUNT-4: math.fma
// CHECK: arith.addf %{{.*}}, %[[BLOCK]]#0
// CHECK: vector.store %[[SUMS]]#0
// CHECK-NOT: vector.reduction
func.func private @masked_sum(%x: tensor<?x?x384xf32, "d0, d1, 384">, %m: tensor<?x?x1xf32, "d0, d1, 1">) -> tensor<?x384xf32, "d0, 384">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 8>, d1 = array<i64: 1, 512>}, tw.schedule = {kind = "columns", source = "test"}} {
  %0 = "tw.pointwise"(%x, %m) ({
  ^bb0(%a: f32, %b: f32):
    %1 = arith.mulf %a, %b : f32
    "tw.yield"(%1) : (f32) -> ()
  }) : (tensor<?x?x384xf32, "d0, d1, 384">, tensor<?x?x1xf32, "d0, d1, 1">) -> tensor<?x?x384xf32, "d0, d1, 384">
  %2 = "tw.reduce"(%0) {dims = array<i64: 1>, kind = "add"} : (tensor<?x?x384xf32, "d0, d1, 384">) -> tensor<?x384xf32, "d0, 384">
  return %2 : tensor<?x384xf32, "d0, 384">
}
