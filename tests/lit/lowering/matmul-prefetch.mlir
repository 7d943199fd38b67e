// When panels are fetched.

// RUN: tilewright-opt %s -p 'tw-lower-templates{target=cpu:x86-64-v4}' | filecheck %s

// Sixteen tiles share in fetching the next panel: 12 lines per four steps of k, of which each asks for one. The place is carried from
// tile to tile and through the loop over k; a tile that finds nothing left to ask for stays at its own panel, with a step of 0.
// CHECK-LABEL: func.func @next_panel(
// CHECK-SAME: %{{[a-z0-9]+}}: memref<f32> {llvm.noalias}, %[[W:[a-z0-9]+]]: memref<f32>
// CHECK: %[[PANELS:.*]] = memref.reinterpret_cast %[[W]]
// CHECK: scf.for {{.*}} iter_args(%{{[a-z0-9]+}} = %{{[a-z0-9]+}}, %{{[a-z0-9]+}} = %{{[a-z0-9]+}}, %[[START:[a-z0-9]+]] = %{{[a-z0-9]+}}, %[[STEP:[a-z0-9]+]] = %{{[a-z0-9]+}}) -> (index, index, index, index)
// CHECK: :25 = scf.for
// CHECK-SAME: = %[[START]])
// CHECK: memref.prefetch %[[PANELS]]{{.*}}, read, locality<2>
// CHECK-NEXT: arith.addi %{{.*}}, %[[STEP]]
// CHECK-NOT: memref.prefetch %[[PANELS]]
// CHECK: scf.yield
// CHECK: %[[COVERED:.*]] = arith.cmpi slt
// CHECK: arith.select %[[COVERED]]
// CHECK: arith.select %[[COVERED]]
func.func private @next_panel(%x: tensor<256x128xf32>, %w: tensor<5x128x48xf32>) -> tensor<256x240xf32>
    attributes {tw.kernel, tw.symbols = {}, tw.schedule = {kind = "matmul", mr = 8 : i64, nr = 48 : i64, mb = 128 : i64, prefetch_next = true, unroll = 4 : i64, rhs = "packed", source = "test"}} {
  %0 = "tw.unpack"(%w) {columns = 240 : i64, transposed = false} : (tensor<5x128x48xf32>) -> tensor<128x240xf32>
  %1 = "tw.matmul"(%x, %0) : (tensor<256x128xf32>, tensor<128x240xf32>) -> tensor<256x240xf32>
  return %1 : tensor<256x240xf32>
}

// Any number of rows: with at least six tiles the next panel, with fewer the same panel some steps ahead.
// CHECK-LABEL: func.func @any_rows(
// CHECK: %[[SIX:.*]] = arith.constant 6 : index
// CHECK: %[[ENOUGH:.*]] = arith.cmpi sge, %{{.*}}, %[[SIX]]
// CHECK: :24 = scf.if %[[ENOUGH]]
// CHECK: :25 = scf.for
// CHECK-COUNT-2: memref.prefetch %{{.*}}, read, locality<2>
// CHECK-NOT: memref.prefetch
// CHECK: } else {
// CHECK: :24 = scf.for
// CHECK-COUNT-12: memref.prefetch %{{.*}}, read, locality<2>
func.func private @any_rows(%x: tensor<?x128xf32, "d0, 128">, %w: tensor<5x128x48xf32>) -> tensor<?x240xf32, "d0, 240">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 4096>}, tw.schedule = {kind = "matmul", mr = 8 : i64, nr = 48 : i64, mb = 128 : i64, prefetch_next = true, prefetch_rhs = 128 : i64, unroll = 4 : i64, rhs = "packed", source = "test"}} {
  %0 = "tw.unpack"(%w) {columns = 240 : i64, transposed = false} : (tensor<5x128x48xf32>) -> tensor<128x240xf32>
  %1 = "tw.matmul"(%x, %0) : (tensor<?x128xf32, "d0, 128">, tensor<128x240xf32>) -> tensor<?x240xf32, "d0, 240">
  return %1 : tensor<?x240xf32, "d0, 240">
}
