// What goes one element at a time is one unit of work and says so.

// RUN: tilewright-opt %s -p 'tw-lower-to-linalg,tw-emit-loops{target=cpu:x86-64-v4},canonicalize,cse' | filecheck %s

// CHECK-LABEL: func.func @running_sum(
// CHECK-SAME: tw.scratch = "0", tw.slow_path = "tw.scan runs in order, one element at a time, on one thread"
// CHECK-SAME: tw.trip_count = "1"
// CHECK: scf.for {{.*}} iter_args
// CHECK: memref.load %{{.*}} : memref<?xi64>
// CHECK: arith.addi %{{.*}}, %{{.*}} : i64
// CHECK: memref.store
func.func private @running_sum(%x: tensor<?x?xi64, "d0, d1">) -> tensor<?x?xi64, "d0, d1">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 64>, d1 = array<i64: 1, 512>}} {
  %0 = "tw.scan"(%x) {dim = 1 : i64} : (tensor<?x?xi64, "d0, d1">) -> tensor<?x?xi64, "d0, d1">
  return %0 : tensor<?x?xi64, "d0, d1">
}

// A scatter whose result is read again goes through scratch; updates outside the tensor are left out.
// CHECK-LABEL: func.func @scattered(
// CHECK-SAME: tw.scratch = "64*ceildiv(28*d0, 64)"
// CHECK-SAME: tw.slow_path = "tw.scatter runs in order
// CHECK: arith.cmpi ult
// CHECK: scf.if
func.func private @scattered(%x: tensor<?x7xf32, "d0, 7">, %u: tensor<?x7xf32, "d1, 7">, %i: tensor<?xi64, "d1">) -> tensor<?x7xf32, "d0, 7">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 64>, d1 = array<i64: 1, 512>}} {
  %0 = "tw.scatter"(%x, %u, %i) {axes = array<i64: 0>, kind = "add"}
      : (tensor<?x7xf32, "d0, 7">, tensor<?x7xf32, "d1, 7">, tensor<?xi64, "d1">) -> tensor<?x7xf32, "d0, 7">
  %1 = "tw.pointwise"(%0) ({
  ^bb0(%a: f32):
    %2 = arith.negf %a : f32
    "tw.yield"(%2) : (f32) -> ()
  }) : (tensor<?x7xf32, "d0, 7">) -> tensor<?x7xf32, "d0, 7">
  return %1 : tensor<?x7xf32, "d0, 7">
}
