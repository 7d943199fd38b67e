// A weight packed into panels, any number of rows, bias and ReLU on the accumulators in registers.

// RUN: tilewright-opt %s -p 'tw-lower-templates{target=cpu:x86-64-v4}' | filecheck %s

// CHECK-LABEL: func.func @dense(
// CHECK-SAME: %[[X:[a-z0-9]+]]: memref<f32> {llvm.noalias}, %[[W:[a-z0-9]+]]: memref<f32> {llvm.noalias}, %[[B:[a-z0-9]+]]: memref<f32> {llvm.noalias}, %[[OUT:[a-z0-9]+]]: memref<f32> {llvm.noalias}
// CHECK-SAME: %[[SCRATCH:[a-z0-9]+]]: memref<i8> {llvm.noalias}, %[[D0:[a-z0-9]+]]: index, %[[LO:[a-z0-9]+]]: index, %[[HI:[a-z0-9]+]]: index)
// CHECK-SAME: tw.scratch = "0", tw.trip_count = "8*ceildiv(d0, 512)"
// CHECK: scf.for %{{.*}} = %[[LO]] to %[[HI]]

// The tile of 8 rows: 24 accumulators over k, two steps at a time.
// CHECK: memref.prefetch
// CHECK: %[[ACC:.*]]:24 = scf.for
// CHECK-COUNT-3: vector.load %{{.*}} : memref<?xf32>, vector<16xf32>
// CHECK: memref.load
// CHECK: vector.broadcast
// CHECK-COUNT-3: vector.fma
// CHECK: scf.yield
// CHECK-NOT: maskedstore
// CHECK: arith.addf %[[ACC]]#0
// CHECK: arith.maximumf
// CHECK: vector.store

// Micro-kernels of 4, 2 and 1 rows take what is left.
// CHECK: :12 = scf.for
// CHECK: :6 = scf.for
// CHECK: :3 = scf.for
func.func private @dense(%x: tensor<?x128xf32, "d0, 128">, %w: tensor<8x128x48xf32>, %b: tensor<384xf32>) -> tensor<?x384xf32, "d0, 384">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 4096>}, tw.schedule = {kind = "matmul", mr = 8 : i64, nr = 48 : i64, mb = 512 : i64, rhs = "packed", source = "test"}} {
  %0 = "tw.unpack"(%w) {columns = 384 : i64, transposed = true} : (tensor<8x128x48xf32>) -> tensor<384x128xf32>
  %1 = "tw.matmul"(%x, %0) {transpose_rhs = true} : (tensor<?x128xf32, "d0, 128">, tensor<384x128xf32>) -> tensor<?x384xf32, "d0, 384">
  %2 = "tw.pointwise"(%1, %b) ({
  ^bb0(%a: f32, %c: f32):
    %s = arith.addf %a, %c : f32
    %z = arith.constant 0.0 : f32
    %r = arith.maximumf %s, %z : f32
    "tw.yield"(%r) : (f32) -> ()
  }) : (tensor<?x384xf32, "d0, 384">, tensor<384xf32>) -> tensor<?x384xf32, "d0, 384">
  return %2 : tensor<?x384xf32, "d0, 384">
}
