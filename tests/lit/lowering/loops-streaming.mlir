// Rows that no cache keeps are stored past the caches, where each starts a line; the loop is there twice. The dearest loop of a row
// fetches the next row.

// RUN: tilewright-opt %s -p 'tw-lower-to-linalg,tw-emit-loops{target=cpu:sapphirerapids},canonicalize,cse' | filecheck %s

// CHECK-LABEL: func.func @softmax(
// CHECK-SAME: %[[X:[a-z0-9]+]]: memref<f32>{{.*}}, %[[OUT:[a-z0-9]+]]: memref<f32>
// CHECK: %[[IN:.*]] = memref.reinterpret_cast %[[X]]
// CHECK: %[[TOUCHED:.*]] = arith.cmpi sge
// CHECK: memref.extract_aligned_pointer_as_index
// CHECK: %[[ALIGNED:.*]] = arith.cmpi eq
// CHECK: %[[LARGE:.*]] = arith.andi %[[TOUCHED]], %[[ALIGNED]]
// The row is kept in scratch, for the result's row may not be in a cache.
// CHECK: scf.for
// CHECK: memref.prefetch %[[IN]]{{.*}}, read, locality<2>
// CHECK: scf.if %[[LARGE]] {
// CHECK: vector.store {{.*}} {alignment = 64 : i64, nontemporal = true}
// CHECK: } else {
// CHECK-NOT: nontemporal
// CHECK: vector.store
// CHECK: scf.if %[[LARGE]] {
// CHECK: llvm.call_intrinsic "llvm.x86.sse.sfence"
func.func private @softmax(%x: tensor<?x?xf32, "d0, d1">) -> tensor<?x?xf32, "d0, d1">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 100000>, d1 = array<i64: 1, 100000>}, tw.schedule = {kind = "rows", source = "test"}} {
  %0 = "tw.softmax"(%x) {dim = 1 : i64} : (tensor<?x?xf32, "d0, d1">) -> tensor<?x?xf32, "d0, d1">
  return %0 : tensor<?x?xf32, "d0, d1">
}

// What is small for sure has one loop.
// CHECK-LABEL: func.func @small(
// CHECK-NOT: nontemporal
// CHECK: return
func.func private @small(%x: tensor<?x128xf32, "d0, 128">) -> tensor<?x128xf32, "d0, 128">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 1000>}, tw.schedule = {kind = "rows", source = "test"}} {
  %0 = "tw.softmax"(%x) {dim = 1 : i64} : (tensor<?x128xf32, "d0, 128">) -> tensor<?x128xf32, "d0, 128">
  return %0 : tensor<?x128xf32, "d0, 128">
}

// The next row of a gather is known by its index, which is loaded once a row; the last row is its own next one.
// CHECK-LABEL: func.func @embedding(
// CHECK-SAME: %[[TABLE:[a-z0-9]+]]: memref<f32>{{.*}}, %[[IDS:[a-z0-9]+]]: memref<i64>
// CHECK-DAG: %[[ROWS:.*]] = memref.reinterpret_cast %[[TABLE]]
// CHECK-DAG: %[[LIST:.*]] = memref.reinterpret_cast %[[IDS]]
// CHECK: scf.for
// CHECK: %[[NEXT:.*]] = arith.minsi
// CHECK: memref.load %[[LIST]][%[[NEXT]]]
// CHECK: scf.for
// CHECK: memref.prefetch %[[ROWS]]{{.*}}, read, locality<2>
// CHECK: vector.store
func.func private @embedding(%t: tensor<1000x?xf32, "1000, d1">, %i: tensor<?xi64, "d0">) -> tensor<?x?xf32, "d0, d1">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 512>, d1 = array<i64: 1, 4096>}, tw.schedule = {kind = "rows", source = "test"}} {
  %0 = "tw.gather"(%t, %i) {axes = array<i64: 0>} : (tensor<1000x?xf32, "1000, d1">, tensor<?xi64, "d0">) -> tensor<?x?xf32, "d0, d1">
  %1 = "tw.rms_norm"(%0) {eps = 1.0e-6 : f64} : (tensor<?x?xf32, "d0, d1">) -> tensor<?x?xf32, "d0, d1">
  return %1 : tensor<?x?xf32, "d0, d1">
}
