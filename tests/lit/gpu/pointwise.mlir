// RUN: tilewright-opt %s -p 'tw-select-schedule{target=cuda:sm_90},tw-lower-to-gpu{target=cuda:sm_90},canonicalize' | filecheck %s
// RUN: tilewright-opt %s -p 'tw-lower-to-gpu,tw-gpu-to-nvvm' | filecheck %s --check-prefix NVVM

// A thread takes four neighbouring elements by one access of 16 bytes; the bias is read by its column. Sizes are arguments.
// CHECK-LABEL: gpu.module @add_gelu attributes {dlti.dl_spec = #dlti.dl_spec<index = 32 : i32>}
// CHECK: gpu.func @add_gelu(%[[X:[a-z0-9]+]]: !llvm.ptr<1> {llvm.align = 16 : i64, llvm.noalias, llvm.readonly}, %[[B:[a-z0-9]+]]: !llvm.ptr<1> {
// CHECK-SAME: %[[OUT:[a-z0-9]+]]: !llvm.ptr<1> {llvm.align = 16 : i64, llvm.noalias, llvm.writeonly}, %{{[a-z0-9]+}}: i64) kernel
// CHECK-SAME: known_block_size = array<i32: 256, 1, 1>, tw.block = array<i32: 256, 1, 1>, tw.grid = ["ceildiv(96*d0, 256)", "1", "1"]
// CHECK: %[[EXISTS:.*]] = arith.cmpi ult
// CHECK: scf.if %[[EXISTS]] {
// CHECK: llvm.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xf32>
// CHECK: llvm.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xf32>
// CHECK-NOT: llvm.load
// CHECK: math.exp2
// CHECK: %[[FOUR:.*]] = vector.from_elements
// CHECK: llvm.store %[[FOUR]], %{{.*}} {alignment = 16 : i64} : vector<4xf32>, !llvm.ptr<1>
// CHECK-NOT: llvm.store

// NVVM-LABEL: llvm.func @add_gelu(
// NVVM-SAME: nvvm.kernel, nvvm.maxntid = array<i32: 256, 1, 1>
// NVVM: nvvm.read.ptx.sreg.tid.x range <i32, 0, 256>
// NVVM: nvvm.read.ptx.sreg.ctaid.x
// NVVM-NOT: __nv_
// NVVM: llvm.call_intrinsic "llvm.exp2"
// NVVM: llvm.store %{{.*}} : vector<4xf32>, !llvm.ptr<1>
func.func private @add_gelu(%x: tensor<?x384xf32, "d0, 384">, %b: tensor<384xf32>) -> tensor<?x384xf32, "d0, 384">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 65536>}} {
  %0 = "tw.pointwise"(%x, %b) ({
  ^bb0(%p: f32, %q: f32):
    %half = arith.constant 0.5 : f32
    %root = arith.constant 0.707106769 : f32
    %one = arith.constant 1.0 : f32
    %z = arith.addf %p, %q : f32
    %s = arith.mulf %z, %root : f32
    %e = math.erf %s : f32
    %t = arith.addf %e, %one : f32
    %h = arith.mulf %z, %half : f32
    %r = arith.mulf %h, %t : f32
    "tw.yield"(%r) : (f32) -> ()
  }) : (tensor<?x384xf32, "d0, 384">, tensor<384xf32>) -> tensor<?x384xf32, "d0, 384">
  return %0 : tensor<?x384xf32, "d0, 384">
}

// Columns are not a multiple of anything, so a thread takes one element. Tensors that may have 2^31 elements need 64-bit indices.
// CHECK-LABEL: gpu.module @add_odd attributes {dlti.dl_spec = #dlti.dl_spec<index = 64 : i32>}
// CHECK: tw.grid = ["ceildiv(d0*d1, 256)", "1", "1"]
// CHECK: llvm.load %{{.*}} : !llvm.ptr<1> -> f32
// CHECK: llvm.store %{{.*}} : f32, !llvm.ptr<1>
func.func private @add_odd(%x: tensor<?x?xf32, "d0, d1">, %y: tensor<?x?xf32, "d0, d1">) -> tensor<?x?xf32, "d0, d1">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 1048576>, d1 = array<i64: 1, 1048576>}} {
  %0 = "tw.pointwise"(%x, %y) ({
  ^bb0(%p: f32, %q: f32):
    %z = arith.addf %p, %q : f32
    "tw.yield"(%z) : (f32) -> ()
  }) : (tensor<?x?xf32, "d0, d1">, tensor<?x?xf32, "d0, d1">) -> tensor<?x?xf32, "d0, d1">
  return %0 : tensor<?x?xf32, "d0, d1">
}

// The indices are of another type and read once per row: the rows are still moved 16 bytes at a time.
// CHECK-LABEL: gpu.module @embedding
// CHECK: llvm.load %{{.*}} : !llvm.ptr<1> -> i64
// CHECK: llvm.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xf32>
// CHECK: llvm.store %{{.*}} {alignment = 16 : i64} : vector<4xf32>, !llvm.ptr<1>
func.func private @embedding(%table: tensor<1000x64xf32>, %ids: tensor<?xi64, "d0">) -> tensor<?x64xf32, "d0, 64">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 65536>}} {
  %0 = "tw.gather"(%table, %ids) {axes = array<i64: 0>} : (tensor<1000x64xf32>, tensor<?xi64, "d0">) -> tensor<?x64xf32, "d0, 64">
  return %0 : tensor<?x64xf32, "d0, 64">
}
