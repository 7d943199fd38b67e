// 100 columns are not whole panels, and exp is a long epilogue: results go through a tile in scratch, row by row.

// RUN: tilewright-opt %s -p 'tw-lower-templates{target=cpu:x86-64-v4}' | filecheck %s

// CHECK-LABEL: func.func @ragged(
// CHECK-SAME: tw.scratch = "1536", tw.trip_count = "3*ceildiv(d0, 512)"
// CHECK: %[[TILE:.*]] = memref.view

// The last panel has 4 columns: a vector of each row, stored under a mask.
// CHECK: scf.if
// CHECK: :8 = scf.for
// CHECK: vector.store %{{.*}}, %[[TILE]]
// CHECK: vector.create_mask
// CHECK: scf.for
// CHECK: vector.load %[[TILE]]
// CHECK: math.fma
// CHECK: vector.maskedstore

// The others are whole.
// CHECK: } else {
// CHECK: :24 = scf.for
// CHECK: vector.store %{{.*}}, %[[TILE]]
// CHECK-NOT: math.exp
// CHECK: scf.for
// CHECK: vector.load %[[TILE]]
// CHECK-NOT: vector.create_mask
// CHECK: math.fma
// CHECK: vector.store
func.func private @ragged(%x: tensor<?x64xf32, "d0, 64">, %w: tensor<3x64x48xf32>) -> tensor<?x100xf32, "d0, 100">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 4096>}, tw.schedule = {kind = "matmul", mr = 8 : i64, nr = 48 : i64, mb = 512 : i64, rhs = "packed", source = "test"}} {
  %0 = "tw.unpack"(%w) {columns = 100 : i64, transposed = false} : (tensor<3x64x48xf32>) -> tensor<64x100xf32>
  %1 = "tw.matmul"(%x, %0) : (tensor<?x64xf32, "d0, 64">, tensor<64x100xf32>) -> tensor<?x100xf32, "d0, 100">
  %2 = "tw.pointwise"(%1) ({
  ^bb0(%a: f32):
    %e = math.exp %a : f32
    "tw.yield"(%e) : (f32) -> ()
  }) : (tensor<?x100xf32, "d0, 100">) -> tensor<?x100xf32, "d0, 100">
  return %2 : tensor<?x100xf32, "d0, 100">
}

// A cheap epilogue is applied in registers, in the last panel too: three vectors, the last one under a mask.
// CHECK-LABEL: func.func @in_registers(
// CHECK-SAME: tw.scratch = "0"
// CHECK: %[[ACC:.*]]:24 = scf.for
// CHECK: %[[MASK:.*]] = vector.create_mask
// CHECK: vector.store %[[ACC]]#0
// CHECK: vector.store %[[ACC]]#1
// CHECK: vector.maskedstore %{{.*}}, %[[MASK]], %[[ACC]]#2
func.func private @in_registers(%x: tensor<?x64xf32, "d0, 64">, %w: tensor<2x64x48xf32>) -> tensor<?x90xf32, "d0, 90">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 4096>}, tw.schedule = {kind = "matmul", mr = 8 : i64, nr = 48 : i64, mb = 512 : i64, rhs = "packed", source = "test"}} {
  %0 = "tw.unpack"(%w) {columns = 90 : i64, transposed = false} : (tensor<2x64x48xf32>) -> tensor<64x90xf32>
  %1 = "tw.matmul"(%x, %0) : (tensor<?x64xf32, "d0, 64">, tensor<64x90xf32>) -> tensor<?x90xf32, "d0, 90">
  return %1 : tensor<?x90xf32, "d0, 90">
}
