// RUN: tilewright-opt %s -p 'tw-lower-to-gpu{target=cuda:sm_90},canonicalize' | filecheck %s

// 384 columns are three accesses of each thread of a warp. The row is loaded once and stays in registers for the mean, the variance
// and the result: no loop is left.
// CHECK-LABEL: gpu.func @in_registers(
// CHECK-SAME: %[[X:[a-z0-9]+]]: !llvm.ptr<1>
// CHECK-SAME: tw.grid = ["ceildiv(d0, 4)", "1", "1"]
// CHECK-NOT: scf.for
// CHECK: scf.if
// CHECK-COUNT-3: llvm.load %{{.*}} : !llvm.ptr<1> -> vector<4xf32>
// CHECK-NOT: llvm.load
// CHECK-COUNT-10: gpu.shuffle xor
// CHECK: math.sqrt
// CHECK-COUNT-6: llvm.load %{{.*}} : !llvm.ptr<1> -> vector<4xf32>
// CHECK: llvm.store %{{.*}} : vector<4xf32>, !llvm.ptr<1>
// CHECK: gpu.return
func.func private @in_registers(%x: tensor<?x384xf32, "d0, 384">, %w: tensor<384xf32>, %b: tensor<384xf32>) -> tensor<?x384xf32, "d0, 384">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 65536>}} {
  %0 = "tw.layer_norm"(%x, %w, %b) {axes = 1 : i64, eps = 1.0e-12 : f64, operandSegmentSizes = array<i32: 1, 1, 1>}
    : (tensor<?x384xf32, "d0, 384">, tensor<384xf32>, tensor<384xf32>) -> tensor<?x384xf32, "d0, 384">
  return %0 : tensor<?x384xf32, "d0, 384">
}

// 100 columns are 25 accesses: seven threads have none. They load what others load and contribute nothing, and only store under a condition.
// CHECK-LABEL: gpu.func @uneven(
// CHECK: %[[VALID:.*]] = arith.cmpi ult, %{{.*}}, %c25
// CHECK: arith.minsi
// CHECK: llvm.load %{{.*}} : !llvm.ptr<1> -> vector<4xf32>
// CHECK: arith.select %[[VALID]]
// CHECK: gpu.shuffle xor
// CHECK: scf.if %[[VALID]] {
// CHECK: llvm.store %{{.*}} : vector<4xf32>, !llvm.ptr<1>
func.func private @uneven(%x: tensor<?x100xf32, "d0, 100">) -> tensor<?x100xf32, "d0, 100">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 65536>}} {
  %0 = "tw.layer_norm"(%x) {axes = 1 : i64, eps = 1.0e-5 : f64, operandSegmentSizes = array<i32: 1, 0, 0>}
    : (tensor<?x100xf32, "d0, 100">) -> tensor<?x100xf32, "d0, 100">
  return %0 : tensor<?x100xf32, "d0, 100">
}
