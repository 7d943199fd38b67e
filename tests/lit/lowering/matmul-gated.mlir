// A gated product: accumulators of both right sides in one loop over k, which reads the left side once.

// RUN: tilewright-opt %s -p 'tw-lower-templates{target=cpu:x86-64-v4}' | filecheck %s

// CHECK-LABEL: func.func @gated(
// CHECK-SAME: %[[X:[a-z0-9]+]]: memref<f32> {llvm.noalias}, %[[G:[a-z0-9]+]]: memref<f32> {llvm.noalias}, %[[U:[a-z0-9]+]]: memref<f32> {llvm.noalias}, %[[OUT:[a-z0-9]+]]: memref<f32>
// CHECK-SAME: tw.scratch = "0", tw.trip_count = "4*ceildiv(d0, 512)"
// CHECK-DAG: %[[LEFT:.*]] = memref.reinterpret_cast %[[X]]
// CHECK-DAG: %[[GATE:.*]] = memref.reinterpret_cast %[[G]]
// CHECK-DAG: %[[UP:.*]] = memref.reinterpret_cast %[[U]]

// The tile of 4 rows: one vector of each right side, 8 accumulators.
// CHECK: %[[ACC:.*]]:8 = scf.for
// CHECK: %[[VG:.*]] = vector.load %[[GATE]]
// CHECK: %[[VU:.*]] = vector.load %[[UP]]
// CHECK: memref.load %[[LEFT]]
// CHECK: %[[ROW:.*]] = vector.broadcast
// CHECK: vector.fma %[[ROW]], %[[VG]]
// CHECK: vector.fma %[[ROW]], %[[VU]]
// CHECK: scf.yield
// CHECK: %[[RELU:.*]] = arith.maximumf %[[ACC]]#0
// CHECK: arith.mulf %[[RELU]], %[[ACC]]#1
// CHECK: vector.store
// CHECK: :4 = scf.for
// CHECK: :2 = scf.for
func.func private @gated(%x: tensor<?x128xf32, "d0, 128">, %g: tensor<4x128x16xf32>, %u: tensor<4x128x16xf32>) -> tensor<?x64xf32, "d0, 64">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 4096>}, tw.schedule = {kind = "matmul", mr = 4 : i64, nr = 16 : i64, mb = 512 : i64, unroll = 1 : i64, sides = 2 : i64, prefetch_results = false, rhs = "packed", source = "test"}} {
  %0 = "tw.unpack"(%g) {columns = 64 : i64} : (tensor<4x128x16xf32>) -> tensor<128x64xf32>
  %1 = "tw.unpack"(%u) {columns = 64 : i64} : (tensor<4x128x16xf32>) -> tensor<128x64xf32>
  %2 = "tw.matmul"(%x, %0) : (tensor<?x128xf32, "d0, 128">, tensor<128x64xf32>) -> tensor<?x64xf32, "d0, 64">
  %3 = "tw.matmul"(%x, %1) : (tensor<?x128xf32, "d0, 128">, tensor<128x64xf32>) -> tensor<?x64xf32, "d0, 64">
  %4 = "tw.pointwise"(%2, %3) ({
  ^bb0(%a: f32, %c: f32):
    %z = arith.constant 0.0 : f32
    %r = arith.maximumf %a, %z : f32
    %s = arith.mulf %r, %c : f32
    "tw.yield"(%s) : (f32) -> ()
  }) : (tensor<?x64xf32, "d0, 64">, tensor<?x64xf32, "d0, 64">) -> tensor<?x64xf32, "d0, 64">
  return %4 : tensor<?x64xf32, "d0, 64">
}
