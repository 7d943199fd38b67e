// The vectors of one step of an unrolled loop take turns: every op has independent neighbours. A sum with erf is one polynomial.

// RUN: tilewright-opt %s -p 'tw-lower-to-linalg,tw-emit-loops{target=cpu:aarch64},canonicalize,cse' | filecheck %s

// CHECK-LABEL: func.func @gelu(
// CHECK: scf.for
// CHECK-COUNT-4: vector.load
// CHECK-COUNT-4: arith.mulf
// CHECK-NOT: vector.load
// CHECK-NOT: math.exp
// CHECK-COUNT-4: vector.store
// CHECK: scf.for
// CHECK: vector.load
func.func private @gelu(%x: tensor<?x?xf32, "d0, d1">) -> tensor<?x?xf32, "d0, d1">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 64>, d1 = array<i64: 1, 512>}, tw.schedule = {kind = "rows", unroll = 4, source = "test"}} {
  %0 = "tw.pointwise"(%x) ({
  ^bb0(%a: f32):
    %one = arith.constant 1.0 : f32
    %root = arith.constant 0.7071067811865476 : f32
    %s = arith.mulf %a, %root : f32
    %e = math.erf %s : f32
    %f = arith.addf %e, %one : f32
    %g = arith.mulf %f, %a : f32
    "tw.yield"(%g) : (f32) -> ()
  }) : (tensor<?x?xf32, "d0, d1">) -> tensor<?x?xf32, "d0, d1">
  return %0 : tensor<?x?xf32, "d0, d1">
}

// Loads and stores of one buffer keep their order: a row kept in the output is read before it is overwritten.
// CHECK-LABEL: func.func @softmax(
// CHECK: vector.store {{.*}}, %[[OUT:.*]][
// CHECK: %[[E:.*]] = vector.load %[[OUT]][%[[AT:.*]]]
// CHECK: %[[P:.*]] = arith.mulf %[[E]]
// CHECK: vector.store %[[P]], %[[OUT]][%[[AT]]]
func.func private @softmax(%x: tensor<?x?xf32, "d0, d1">) -> tensor<?x?xf32, "d0, d1">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 64>, d1 = array<i64: 1, 512>}, tw.schedule = {kind = "rows", unroll = 1, source = "test"}} {
  %0 = "tw.softmax"(%x) {dim = 1 : i64} : (tensor<?x?xf32, "d0, d1">) -> tensor<?x?xf32, "d0, d1">
  return %0 : tensor<?x?xf32, "d0, d1">
}
