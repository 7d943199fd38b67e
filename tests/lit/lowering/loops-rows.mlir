// Rows: reductions and maps of one row after the other, in one loop over rows; sizes are dynamic and cost one masked tail.

// RUN: tilewright-opt %s -p 'tw-lower-to-linalg,tw-emit-loops{target=cpu:x86-64-v4},canonicalize,cse' | filecheck %s

// CHECK-LABEL: func.func @softmax(
// CHECK-SAME: %[[X:[a-z0-9]+]]: memref<f32> {llvm.noalias}, %[[OUT:[a-z0-9]+]]: memref<f32> {llvm.noalias}, %{{.*}}: memref<i8> {llvm.noalias},
// CHECK-SAME: %[[D0:[a-z0-9]+]]: index, %[[D1:[a-z0-9]+]]: index, %[[LO:[a-z0-9]+]]: index, %[[HI:[a-z0-9]+]]: index)
// CHECK-SAME: tw.scratch = "0"
// CHECK-SAME: tw.trip_count = "d0"
// CHECK-NOT: tw.slow_path
// CHECK-DAG: %[[IN:.*]] = memref.reinterpret_cast %[[X]]
// CHECK-DAG: %[[RESULT:.*]] = memref.reinterpret_cast %[[OUT]]
// CHECK: scf.for %[[ROW:.*]] = %[[LO]] to %[[HI]]

// The maximum: four accumulators, the rest one vector at a time, the tail under a mask.
// CHECK: %[[BASE:.*]] = arith.muli %[[ROW]], %[[D1]]
// CHECK: %[[MAX:.*]]:4 = scf.for
// CHECK-COUNT-4: vector.load %[[IN]]
// CHECK: %{{.*}} = scf.for
// CHECK: vector.load %[[IN]]
// CHECK: scf.if
// CHECK: vector.create_mask
// CHECK: vector.maskedload %[[IN]]
// CHECK: vector.shuffle

// The exponentials are stored into the row of the output while they are summed, and scaled there at the end.
// CHECK: scf.for
// CHECK: math.fma
// CHECK: llvm.x86.avx512.mask.scalef
// CHECK: vector.store %{{.*}}, %[[RESULT]]
// CHECK: vector.maskedstore %[[RESULT]]
// CHECK: vector.reduction <add>
// CHECK: arith.divf
// CHECK: scf.for
// CHECK-NOT: math.fma
// CHECK: vector.load %[[RESULT]]
// CHECK: vector.store %{{.*}}, %[[RESULT]]
func.func private @softmax(%x: tensor<?x?xf32, "d0, d1">) -> tensor<?x?xf32, "d0, d1">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 64>, d1 = array<i64: 1, 512>}} {
  %0 = "tw.softmax"(%x) {dim = 1 : i64} : (tensor<?x?xf32, "d0, d1">) -> tensor<?x?xf32, "d0, d1">
  return %0 : tensor<?x?xf32, "d0, d1">
}

// A short static row stays in registers: loaded once, no loops inside a row.
// CHECK-LABEL: func.func @layer_norm(
// CHECK-SAME: tw.trip_count = "ceildiv(d0, 64)"
// CHECK: scf.for
// CHECK-COUNT-4: vector.load
// CHECK-NOT: vector.load
// CHECK-NOT: scf.for
// CHECK: math.sqrt
// CHECK-NOT: vector.load
// CHECK-COUNT-4: vector.store
func.func private @layer_norm(%x: tensor<?x64xf32, "d0, 64">) -> tensor<?x64xf32, "d0, 64">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 64>}} {
  %0 = "tw.layer_norm"(%x) {eps = 1.0e-5 : f64, operandSegmentSizes = array<i32: 1, 0, 0>} : (tensor<?x64xf32, "d0, 64">) -> tensor<?x64xf32, "d0, 64">
  return %0 : tensor<?x64xf32, "d0, 64">
}

// Operands of one shape: all dimensions are one loop, blocks of it are the units of work.
// CHECK-LABEL: func.func @flat(
// CHECK-SAME: tw.trip_count = "ceildiv(d0*d1, 4096)"
// CHECK-COUNT-2: scf.for
// CHECK-NOT: scf.for
func.func private @flat(%x: tensor<?x?xf32, "d0, d1">, %y: tensor<?x?xf32, "d0, d1">) -> tensor<?x?xf32, "d0, d1">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 64>, d1 = array<i64: 1, 512>}} {
  %0 = "tw.pointwise"(%x, %y) ({
  ^bb0(%a: f32, %b: f32):
    %1 = arith.addf %a, %b : f32
    "tw.yield"(%1) : (f32) -> ()
  }) : (tensor<?x?xf32, "d0, d1">, tensor<?x?xf32, "d0, d1">) -> tensor<?x?xf32, "d0, d1">
  return %0 : tensor<?x?xf32, "d0, d1">
}
