// RUN: tilewright-opt %s -p 'tw-decompose{ops=softmax}' | filecheck %s

// CHECK-LABEL: func.func @softmax
// CHECK: "tw.reduce"(%arg0) {dims = array<i64: 1>, keep_dims = true, kind = "max"}
// CHECK: arith.subf
// CHECK: math.exp
// CHECK: kind = "add"
// CHECK: arith.divf
// CHECK-NOT: tw.softmax
func.func @softmax(%arg0: tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8"> attributes {tw.symbols = {s0 = array<i64: 1, 64>}} {
  %0 = "tw.softmax"(%arg0) {dim = 1 : i64} : (tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8">
  return %0 : tensor<?x8xf32, "s0, 8">
}

// Only what is named is decomposed.
// CHECK-LABEL: func.func @other
// CHECK: tw.rms_norm
func.func @other(%arg0: tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8"> attributes {tw.symbols = {s0 = array<i64: 1, 64>}} {
  %0 = "tw.rms_norm"(%arg0) {eps = 9.9999999999999995E-7 : f64} : (tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8">
  return %0 : tensor<?x8xf32, "s0, 8">
}
