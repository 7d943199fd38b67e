// Matmuls of one left side with results of their own: ranges of columns, whose panels are numbered as one.

// RUN: tilewright-opt %s -p 'tw-lower-templates{target=cpu:x86-64-v4}' | filecheck %s

// The ranges of 64 columns share their code: the number of the range chooses the panels, the bias and the result.
// CHECK-LABEL: func.func @keys_values_gates(
// CHECK-SAME: %[[X:[a-z0-9]+]]: memref<f32> {llvm.noalias}, %[[K:[a-z0-9]+]]: memref<f32> {llvm.noalias}, %[[V:[a-z0-9]+]]: memref<f32> {llvm.noalias}, %[[G:[a-z0-9]+]]: memref<f32> {llvm.noalias}, %[[A:[a-z0-9]+]]: memref<f32> {llvm.noalias}, %[[B:[a-z0-9]+]]: memref<f32> {llvm.noalias}
// CHECK-SAME: tw.trip_count = "9*ceildiv(d0, 512)"
// CHECK-DAG: %[[KEYS:.*]] = memref.reinterpret_cast %[[K]]
// CHECK-DAG: %[[VALUES:.*]] = memref.reinterpret_cast %[[V]]
// CHECK-DAG: %[[GATES:.*]] = memref.reinterpret_cast %[[G]]
// CHECK-DAG: %[[FIRST:.*]] = memref.reinterpret_cast %[[A]]
// CHECK-DAG: %[[SECOND:.*]] = memref.reinterpret_cast %[[B]]
// CHECK: %[[PANEL:.*]] = arith.remui
// CHECK: %[[IN_FIRST:.*]] = arith.cmpi slt, %[[PANEL]], %{{.*}} : index
// CHECK: scf.if %[[IN_FIRST]]
// CHECK:   %[[NUMBER:.*]] = arith.divui %[[PANEL]]
// CHECK:   %[[IS_SECOND:.*]] = arith.cmpi eq, %[[NUMBER]]
// CHECK:   %[[PANELS:.*]] = arith.select %[[IS_SECOND]], %[[VALUES]], %[[KEYS]]
// CHECK:   %[[BIAS:.*]] = arith.select %[[IS_SECOND]], %[[SECOND]], %[[FIRST]]
// CHECK:   %[[RESULT:.*]] = arith.select %[[IS_SECOND]]
// CHECK:   scf.for
// CHECK:   vector.load %[[PANELS]]
// CHECK:   vector.load %[[BIAS]]
// CHECK:   vector.store %{{.*}}, %[[RESULT]]
// CHECK: } else {
// CHECK-NOT: arith.select {{.*}} : memref
// CHECK:   vector.load %[[GATES]]
func.func private @keys_values_gates(%x: tensor<?x128xf32, "d0, 128">, %k: tensor<4x128x16xf32>, %v: tensor<4x128x16xf32>, %g: tensor<1x128x16xf32>, %a: tensor<64xf32>, %b: tensor<64xf32>)
    -> (tensor<?x64xf32, "d0, 64">, tensor<?x64xf32, "d0, 64">, tensor<?x16xf32, "d0, 16">)
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 4096>}, tw.schedule = {kind = "matmul", mr = 2 : i64, nr = 16 : i64, mb = 512 : i64, unroll = 1 : i64, prefetch_results = false, rhs = "packed", source = "test"}} {
  %0 = "tw.unpack"(%k) {columns = 64 : i64} : (tensor<4x128x16xf32>) -> tensor<128x64xf32>
  %1 = "tw.unpack"(%v) {columns = 64 : i64} : (tensor<4x128x16xf32>) -> tensor<128x64xf32>
  %2 = "tw.unpack"(%g) {columns = 16 : i64} : (tensor<1x128x16xf32>) -> tensor<128x16xf32>
  %3 = "tw.matmul"(%x, %0) : (tensor<?x128xf32, "d0, 128">, tensor<128x64xf32>) -> tensor<?x64xf32, "d0, 64">
  %4 = "tw.matmul"(%x, %1) : (tensor<?x128xf32, "d0, 128">, tensor<128x64xf32>) -> tensor<?x64xf32, "d0, 64">
  %5 = "tw.matmul"(%x, %2) : (tensor<?x128xf32, "d0, 128">, tensor<128x16xf32>) -> tensor<?x16xf32, "d0, 16">
  %6 = "tw.pointwise"(%3, %a) ({
  ^bb0(%p: f32, %q: f32):
    %s = arith.addf %p, %q : f32
    "tw.yield"(%s) : (f32) -> ()
  }) : (tensor<?x64xf32, "d0, 64">, tensor<64xf32>) -> tensor<?x64xf32, "d0, 64">
  %7 = "tw.pointwise"(%4, %b) ({
  ^bb0(%p: f32, %q: f32):
    %s = arith.addf %p, %q : f32
    "tw.yield"(%s) : (f32) -> ()
  }) : (tensor<?x64xf32, "d0, 64">, tensor<64xf32>) -> tensor<?x64xf32, "d0, 64">
  return %6, %7, %5 : tensor<?x64xf32, "d0, 64">, tensor<?x64xf32, "d0, 64">, tensor<?x16xf32, "d0, 16">
}
