// RUN: tilewright-opt %s -p 'tw-recover-grouped-heads' | filecheck %s

// CHECK-LABEL: func.func @repeated
// CHECK-NOT: tw.broadcast
// CHECK: "tw.attention"(%arg0, %{{.*}}, %{{.*}}) {{.*}} : (tensor<?x4x?x8xf32, "s0, 4, s1, 8">, tensor<?x2x?x8xf32, "s0, 2, s1, 8">
func.func @repeated(%arg0: tensor<?x4x?x8xf32, "s0, 4, s1, 8">, %arg1: tensor<?x2x?x8xf32, "s0, 2, s1, 8">, %arg2: tensor<?x2x?x8xf32, "s0, 2, s1, 8">) -> tensor<?x4x?x8xf32, "s0, 4, s1, 8"> attributes {tw.symbols = {s0 = array<i64: 1, 64>, s1 = array<i64: 1, 64>}} {
  %0 = "tw.reshape"(%arg1) {shape = "s0, 2, 1, s1, 8"} : (tensor<?x2x?x8xf32, "s0, 2, s1, 8">) -> tensor<?x2x1x?x8xf32, "s0, 2, 1, s1, 8">
  %1 = "tw.broadcast"(%0) {shape = "s0, 2, 2, s1, 8"} : (tensor<?x2x1x?x8xf32, "s0, 2, 1, s1, 8">) -> tensor<?x2x2x?x8xf32, "s0, 2, 2, s1, 8">
  %2 = "tw.reshape"(%1) {shape = "s0, 4, s1, 8"} : (tensor<?x2x2x?x8xf32, "s0, 2, 2, s1, 8">) -> tensor<?x4x?x8xf32, "s0, 4, s1, 8">
  %3 = "tw.reshape"(%arg2) {shape = "s0, 2, 1, s1, 8"} : (tensor<?x2x?x8xf32, "s0, 2, s1, 8">) -> tensor<?x2x1x?x8xf32, "s0, 2, 1, s1, 8">
  %4 = "tw.broadcast"(%3) {shape = "s0, 2, 2, s1, 8"} : (tensor<?x2x1x?x8xf32, "s0, 2, 1, s1, 8">) -> tensor<?x2x2x?x8xf32, "s0, 2, 2, s1, 8">
  %5 = "tw.reshape"(%4) {shape = "s0, 4, s1, 8"} : (tensor<?x2x2x?x8xf32, "s0, 2, 2, s1, 8">) -> tensor<?x4x?x8xf32, "s0, 4, s1, 8">
  %6 = "tw.attention"(%arg0, %2, %5) {operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0>, scale = 5.000000e-01 : f64} : (tensor<?x4x?x8xf32, "s0, 4, s1, 8">, tensor<?x4x?x8xf32, "s0, 4, s1, 8">, tensor<?x4x?x8xf32, "s0, 4, s1, 8">) -> tensor<?x4x?x8xf32, "s0, 4, s1, 8">
  return %6 : tensor<?x4x?x8xf32, "s0, 4, s1, 8">
}

// Heads in turn, not each repeated: another grouping.
// CHECK-LABEL: func.func @tiled
// CHECK-COUNT-2: tw.broadcast
// CHECK: tw.attention
func.func @tiled(%arg0: tensor<?x4x?x8xf32, "s0, 4, s1, 8">, %arg1: tensor<?x2x?x8xf32, "s0, 2, s1, 8">, %arg2: tensor<?x2x?x8xf32, "s0, 2, s1, 8">) -> tensor<?x4x?x8xf32, "s0, 4, s1, 8"> attributes {tw.symbols = {s0 = array<i64: 1, 64>, s1 = array<i64: 1, 64>}} {
  %0 = "tw.reshape"(%arg1) {shape = "s0, 1, 2, s1, 8"} : (tensor<?x2x?x8xf32, "s0, 2, s1, 8">) -> tensor<?x1x2x?x8xf32, "s0, 1, 2, s1, 8">
  %1 = "tw.broadcast"(%0) {shape = "s0, 2, 2, s1, 8"} : (tensor<?x1x2x?x8xf32, "s0, 1, 2, s1, 8">) -> tensor<?x2x2x?x8xf32, "s0, 2, 2, s1, 8">
  %2 = "tw.reshape"(%1) {shape = "s0, 4, s1, 8"} : (tensor<?x2x2x?x8xf32, "s0, 2, 2, s1, 8">) -> tensor<?x4x?x8xf32, "s0, 4, s1, 8">
  %3 = "tw.reshape"(%arg2) {shape = "s0, 1, 2, s1, 8"} : (tensor<?x2x?x8xf32, "s0, 2, s1, 8">) -> tensor<?x1x2x?x8xf32, "s0, 1, 2, s1, 8">
  %4 = "tw.broadcast"(%3) {shape = "s0, 2, 2, s1, 8"} : (tensor<?x1x2x?x8xf32, "s0, 1, 2, s1, 8">) -> tensor<?x2x2x?x8xf32, "s0, 2, 2, s1, 8">
  %5 = "tw.reshape"(%4) {shape = "s0, 4, s1, 8"} : (tensor<?x2x2x?x8xf32, "s0, 2, 2, s1, 8">) -> tensor<?x4x?x8xf32, "s0, 4, s1, 8">
  %6 = "tw.attention"(%arg0, %2, %5) {operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0>, scale = 5.000000e-01 : f64} : (tensor<?x4x?x8xf32, "s0, 4, s1, 8">, tensor<?x4x?x8xf32, "s0, 4, s1, 8">, tensor<?x4x?x8xf32, "s0, 4, s1, 8">) -> tensor<?x4x?x8xf32, "s0, 4, s1, 8">
  return %6 : tensor<?x4x?x8xf32, "s0, 4, s1, 8">
}
