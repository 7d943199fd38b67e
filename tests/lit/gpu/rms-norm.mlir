// RUN: tilewright-opt %s -p 'tw-lower-to-gpu{target=cuda:sm_90},canonicalize' | filecheck %s

// bf16 is moved eight elements at a time and computed in f32. A dynamic length is a loop over the row for each stage.
// CHECK-LABEL: gpu.func @bf16_rows(
// CHECK-SAME: workgroup(%{{.*}} : memref<8xf32, #gpu.address_space<workgroup>>)
// CHECK-SAME: tw.block = array<i32: 256, 1, 1>, tw.grid = ["d0", "1", "1"]
// CHECK: llvm.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr<1> -> vector<8xi16>
// CHECK: gpu.barrier
// CHECK: math.sqrt
// CHECK: arith.truncf %{{.*}} : f32 to bf16
// CHECK: llvm.store %{{.*}} {alignment = 16 : i64} : vector<8xi16>, !llvm.ptr<1>
func.func private @bf16_rows(%x: tensor<?x4096xbf16, "d0, 4096">, %w: tensor<4096xbf16>) -> tensor<?x4096xbf16, "d0, 4096">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 65536>}} {
  %0 = "tw.rms_norm"(%x, %w) {eps = 1.0e-5 : f64} : (tensor<?x4096xbf16, "d0, 4096">, tensor<4096xbf16>) -> tensor<?x4096xbf16, "d0, 4096">
  return %0 : tensor<?x4096xbf16, "d0, 4096">
}

// CHECK-LABEL: gpu.func @dynamic_rows(
// CHECK: %[[SUM:.*]] = scf.for %{{.*}} = %{{.*}} to %{{.*}} step %c32
// CHECK: math.fma
// CHECK: gpu.shuffle xor %[[SUM]]
// CHECK: scf.for %{{.*}} = %{{.*}} to %{{.*}} step %c32
// CHECK: llvm.store
func.func private @dynamic_rows(%x: tensor<?x?xf32, "d0, d1">) -> tensor<?x?xf32, "d0, d1">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 65536>, d1 = array<i64: 1, 1024>}} {
  %0 = "tw.rms_norm"(%x) {eps = 1.0e-5 : f64} : (tensor<?x?xf32, "d0, d1">) -> tensor<?x?xf32, "d0, d1">
  return %0 : tensor<?x?xf32, "d0, d1">
}
