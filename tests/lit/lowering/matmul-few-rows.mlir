// Few rows by a weight larger than the caches: one tile of all rows and narrow panels, which are asked for just ahead of their use.

// RUN: tilewright-opt %s -p 'tw-select-schedule{target=cpu:sapphirerapids},tw-pack-weights,tw-lower-templates{target=cpu:sapphirerapids}' | filecheck %s

// CHECK-LABEL: func.func @sixteen(
// CHECK-SAME: tw.trip_count = "64"
// CHECK: :16 = scf.for
// CHECK: vector.load
// CHECK: memref.prefetch %{{.*}}, read, locality<3>
// CHECK-COUNT-16: vector.fma
// CHECK-NOT: :8 = scf.for
func.func private @sixteen(%x: tensor<16x1024xf32>, %w: tensor<1024x1024xf32> {tw.weight}) -> tensor<16x1024xf32> attributes {tw.kernel, tw.symbols = {}} {
  %0 = "tw.matmul"(%x, %w) : (tensor<16x1024xf32>, tensor<1024x1024xf32>) -> tensor<16x1024xf32>
  return %0 : tensor<16x1024xf32>
}

// One row: two vectors of a panel are two cache lines.
// CHECK-LABEL: func.func @one(
// CHECK-SAME: tw.trip_count = "32"
// CHECK: :2 = scf.for
// CHECK-COUNT-8: memref.prefetch %{{.*}}, read, locality<3>
// CHECK: scf.yield
func.func private @one(%x: tensor<1x1024xf32>, %w: tensor<1024x1024xf32> {tw.weight}) -> tensor<1x1024xf32> attributes {tw.kernel, tw.symbols = {}} {
  %0 = "tw.matmul"(%x, %w) : (tensor<1x1024xf32>, tensor<1024x1024xf32>) -> tensor<1x1024xf32>
  return %0 : tensor<1x1024xf32>
}
