// RUN: tilewright-opt %s -p 'tw-lower-to-gpu{target=cuda:sm_90},canonicalize' | filecheck %s
// RUN: tilewright-opt %s -p 'tw-lower-to-gpu,tw-gpu-to-nvvm' | filecheck %s --check-prefix NVVM

// A row that a warp can take: three loops over the row, and two reductions by shuffles, which need no shared memory and no barrier.
// CHECK-LABEL: gpu.func @short_rows(
// CHECK-SAME: tw.block = array<i32: 128, 1, 1>, tw.grid = ["ceildiv(d0, 4)", "1", "1"]
// CHECK-NOT: workgroup
// CHECK: scf.if
// CHECK: %[[MAX:.*]] = scf.for
// CHECK: gpu.shuffle xor %[[MAX]]
// CHECK-COUNT-4: gpu.shuffle xor
// CHECK: %[[SUM:.*]] = scf.for
// CHECK: math.exp2
// CHECK: gpu.shuffle xor %[[SUM]]
// CHECK-COUNT-4: gpu.shuffle xor
// CHECK: arith.divf
// CHECK: scf.for
// CHECK: llvm.store
// CHECK-NOT: gpu.barrier
// CHECK: gpu.return

// NVVM-LABEL: llvm.func @short_rows(
// NVVM-COUNT-10: nvvm.shfl.sync bfly
// NVVM-NOT: nvvm.shfl.sync
// NVVM: llvm.return
func.func private @short_rows(%x: tensor<?x?xf32, "d0, d1">) -> tensor<?x?xf32, "d0, d1">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 65536>, d1 = array<i64: 1, 512>}} {
  %0 = "tw.softmax"(%x) {dim = 1 : i64} : (tensor<?x?xf32, "d0, d1">) -> tensor<?x?xf32, "d0, d1">
  return %0 : tensor<?x?xf32, "d0, d1">
}

// Rows that may be long get a block each; warps exchange their parts through shared memory, a buffer of its own per reduction.
// CHECK-LABEL: gpu.func @long_rows(
// CHECK-SAME: workgroup(%[[FIRST:.*]] : memref<16xf32, #gpu.address_space<workgroup>>, %[[SECOND:.*]] : memref<16xf32, #gpu.address_space<workgroup>>)
// CHECK-SAME: tw.block = array<i32: 512, 1, 1>, tw.grid = ["d0", "1", "1"]
// CHECK: scf.for
// CHECK-COUNT-5: gpu.shuffle xor
// CHECK: memref.store %{{.*}}, %[[FIRST]]
// CHECK: gpu.barrier
// CHECK: memref.load %[[FIRST]]
// CHECK-COUNT-4: gpu.shuffle xor
// CHECK: scf.for
// CHECK: memref.store %{{.*}}, %[[SECOND]]
// CHECK: gpu.barrier
// CHECK: memref.load %[[SECOND]]

// NVVM-LABEL: llvm.func @long_rows(
// NVVM: nvvm.barrier0
// NVVM: nvvm.barrier0
// NVVM-NOT: nvvm.barrier0
func.func private @long_rows(%x: tensor<?x?xf32, "d0, d1">) -> tensor<?x?xf32, "d0, d1">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 65536>, d1 = array<i64: 1, 8192>}} {
  %0 = "tw.softmax"(%x) {dim = 1 : i64} : (tensor<?x?xf32, "d0, d1">) -> tensor<?x?xf32, "d0, d1">
  return %0 : tensor<?x?xf32, "d0, d1">
}

// Across rows, a column belongs to a thread: neighbouring threads read neighbouring elements and exchange nothing.
// CHECK-LABEL: gpu.func @columns(
// CHECK-SAME: tw.grid = ["ceildiv(d1, 256)", "1", "1"]
// CHECK-NOT: gpu.shuffle
// CHECK: gpu.return
func.func private @columns(%x: tensor<?x?xf32, "d0, d1">) -> tensor<?x?xf32, "d0, d1">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 512>, d1 = array<i64: 1, 512>}} {
  %0 = "tw.softmax"(%x) {dim = 0 : i64} : (tensor<?x?xf32, "d0, d1">) -> tensor<?x?xf32, "d0, d1">
  return %0 : tensor<?x?xf32, "d0, d1">
}
