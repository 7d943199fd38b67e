// A running sum goes by vectors: sums within a vector by shuffles, the last lane carried on. Its lines are units of work. A scatter is
// one unit and says so.

// RUN: tilewright-opt %s -p 'tw-lower-to-linalg,tw-emit-loops{target=cpu:x86-64-v4},canonicalize,cse' | filecheck %s

// CHECK-LABEL: func.func @running_sum(
// CHECK-SAME: tw.scratch = "0"
// CHECK-NOT: tw.slow_path
// CHECK-SAME: tw.trip_count = "d0"
// CHECK: scf.for {{.*}} iter_args
// CHECK: vector.load
// CHECK: vector.shuffle {{.*}} [0, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30]
// CHECK: vector.shuffle {{.*}} [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23]
// CHECK: vector.extract %{{.*}}[15]
// CHECK: vector.store
func.func private @running_sum(%x: tensor<?x?xi64, "d0, d1">) -> tensor<?x?xi64, "d0, d1">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 64>, d1 = array<i64: 1, 512>}} {
  %0 = "tw.scan"(%x) {dim = 1 : i64} : (tensor<?x?xi64, "d0, d1">) -> tensor<?x?xi64, "d0, d1">
  return %0 : tensor<?x?xi64, "d0, d1">
}

// A scatter whose result is read again goes through scratch; updates outside the tensor are left out.
// CHECK-LABEL: func.func @scattered(
// CHECK-SAME: tw.scratch = "64*ceildiv(28*d0, 64)"
// CHECK-SAME: tw.slow_path = "tw.scatter runs in order, on one thread
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
