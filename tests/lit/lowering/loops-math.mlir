// Transcendental functions are inline polynomials; without scaling instructions, by integer arithmetic on the exponent; `fast-math` takes
// the shorter forms.

// RUN: tilewright-opt %s -p 'tw-lower-to-linalg,tw-emit-loops{target=cpu:x86-64-v3},canonicalize,cse' | filecheck %s --check-prefixes=CHECK,EXACT
// RUN: tilewright-opt %s -p 'tw-lower-to-linalg,tw-emit-loops{target=cpu:x86-64-v3 fast-math=true},canonicalize,cse' | filecheck %s --check-prefixes=CHECK,FAST

// CHECK-LABEL: func.func @erf(
// CHECK-NOT: math.erf
// EXACT: arith.shli {{.*}} : vector<8xi32>
// EXACT-NOT: arith.divf
// FAST-NOT: arith.shli
// FAST: arith.divf {{.*}} : vector<8xf32>
// CHECK: return
func.func private @erf(%x: tensor<?xf32, "d0">) -> tensor<?xf32, "d0"> attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 64>}} {
  %0 = "tw.pointwise"(%x) ({
  ^bb0(%a: f32):
    %1 = math.erf %a : f32
    "tw.yield"(%1) : (f32) -> ()
  }) : (tensor<?xf32, "d0">) -> tensor<?xf32, "d0">
  return %0 : tensor<?xf32, "d0">
}
