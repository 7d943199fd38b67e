// Right sides that are not weights: read in place, or packed into scratch one panel at a time.

// RUN: tilewright-opt %s -p 'tw-lower-templates{target=cpu:x86-64-v3}' | filecheck %s

// Columns are neighbours and whole panels divide them: no scratch.
// CHECK-LABEL: func.func @in_place(
// CHECK-SAME: tw.scratch = "0", tw.trip_count = "4*d0"
// CHECK-NOT: memref.view
// CHECK: :12 = scf.for
func.func private @in_place(%a: tensor<?x16x?xf32, "d0, 16, d1">, %b: tensor<?x?x64xf32, "d0, d1, 64">) -> tensor<?x16x64xf32, "d0, 16, 64">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 64>, d1 = array<i64: 1, 512>}, tw.schedule = {kind = "matmul", mr = 6 : i64, nr = 16 : i64, mb = 510 : i64, rhs = "plain", source = "test"}} {
  %0 = "tw.matmul"(%a, %b) : (tensor<?x16x?xf32, "d0, 16, d1">, tensor<?x?x64xf32, "d0, d1, 64">) -> tensor<?x16x64xf32, "d0, 16, 64">
  return %0 : tensor<?x16x64xf32, "d0, 16, 64">
}

// k is contiguous on the right: blocks of 8 x 8 are transposed in registers while they are packed.
// CHECK-LABEL: func.func @transposed(
// CHECK-SAME: tw.scratch = "2432", tw.trip_count = "ceildiv(d1, 16)*d0"
// CHECK: memref.view
// CHECK-COUNT-24: vector.shuffle
// CHECK: :12 = scf.for
func.func private @transposed(%q: tensor<?x16x32xf32, "d0, 16, 32">, %k: tensor<?x?x32xf32, "d0, d1, 32">) -> tensor<?x16x?xf32, "d0, 16, d1">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 64>, d1 = array<i64: 1, 512>}, tw.schedule = {kind = "matmul", mr = 6 : i64, nr = 16 : i64, mb = 510 : i64, rhs = "plain", source = "test"}} {
  %0 = "tw.matmul"(%q, %k) {transpose_rhs = true} : (tensor<?x16x32xf32, "d0, 16, 32">, tensor<?x?x32xf32, "d0, d1, 32">) -> tensor<?x16x?xf32, "d0, 16, d1">
  return %0 : tensor<?x16x?xf32, "d0, 16, d1">
}
