// k split into blocks: all panels of a unit are worked off over one block before the next, and sums wait in scratch.

// RUN: tilewright-opt %s -p 'tw-lower-templates{target=cpu:x86-64-v4}' | filecheck %s

// Five panels in three groups of at most two; scratch holds the sums of two panels, with room for one more tile each.
// CHECK-LABEL: func.func @split(
// CHECK-SAME: %[[LO:[a-z0-9]+]]: index, %[[HI:[a-z0-9]+]]: index) attributes {tw.scratch = "27648", tw.trip_count = "3"}
// CHECK: %[[SUMS:.*]] = memref.view
// CHECK: scf.for %[[UNIT:.*]] = %[[LO]] to %[[HI]]
// CHECK: %[[GROUP:.*]] = arith.remui %[[UNIT]]
// CHECK: arith.muli %[[GROUP]]
// CHECK: %[[FIRST:.*]] = arith.divui
// CHECK: %[[END:.*]] = arith.divui
// CHECK: scf.for %[[K:.*]] = %{{.*}} to %{{.*}} step %{{.*}} {
// CHECK: %[[IS_FIRST:.*]] = arith.cmpi eq, %[[K]]
// CHECK: %[[IS_LAST:.*]] = arith.cmpi eq
// CHECK: scf.for %[[PANEL:.*]] = %[[FIRST]] to %[[END]]

// A tile starts with zeros or with what waits, and its sums go to the results or wait on.
// CHECK: %[[BEGUN:.*]]:24 = scf.if %[[IS_FIRST]]
// CHECK: else
// CHECK-COUNT-24: vector.load %[[SUMS]]
// CHECK: %[[ACC:.*]]:24 = scf.for
// CHECK-SAME: %[[BEGUN]]#0
// CHECK: scf.if %[[IS_LAST]]
// CHECK-NOT: vector.store %{{.*}}, %[[SUMS]]
// CHECK: else
// CHECK-COUNT-24: vector.store %{{.*}}, %[[SUMS]]
func.func private @split(%x: tensor<64x128xf32>, %w: tensor<5x128x48xf32>) -> tensor<64x240xf32>
    attributes {tw.kernel, tw.symbols = {}, tw.schedule = {kind = "matmul", mr = 8 : i64, nr = 48 : i64, mb = 64 : i64, k_block = 64 : i64, panels = 2 : i64, unroll = 4 : i64, rhs = "packed", source = "test"}} {
  %0 = "tw.unpack"(%w) {columns = 240 : i64, transposed = false} : (tensor<5x128x48xf32>) -> tensor<128x240xf32>
  %1 = "tw.matmul"(%x, %0) : (tensor<64x128xf32>, tensor<128x240xf32>) -> tensor<64x240xf32>
  return %1 : tensor<64x240xf32>
}

// A right side that is packed at run time is packed once per panel, not once per block of k.
// CHECK-LABEL: func.func @packed_at_run_time(
// CHECK: scf.for %[[PANEL:.*]] = %{{.*}} to
// CHECK-COUNT-24: vector.shuffle
// CHECK: scf.for %[[K:.*]] = %{{.*}} to %{{.*}} step %{{.*}} {
// CHECK: %[[IS_FIRST:.*]] = arith.cmpi eq, %[[K]]
// CHECK: scf.if %[[IS_FIRST]]
func.func private @packed_at_run_time(%q: tensor<64x128xf32>, %k: tensor<96x128xf32>) -> tensor<64x96xf32>
    attributes {tw.kernel, tw.symbols = {}, tw.schedule = {kind = "matmul", mr = 8 : i64, nr = 16 : i64, mb = 64 : i64, k_block = 64 : i64, panels = 2 : i64, rhs = "plain", source = "test"}} {
  %0 = "tw.matmul"(%q, %k) {transpose_rhs = true} : (tensor<64x128xf32>, tensor<96x128xf32>) -> tensor<64x96xf32>
  return %0 : tensor<64x96xf32>
}
