// RUN: tilewright-opt %s -p 'tw-plan-memory' | filecheck %s

// The first value is dead when the third is made, which takes its slot. The last launch writes the program's output.
// CHECK-LABEL: func.func @main
// CHECK-SAME: tw.slots = ["32*s0", "32*s0"]
func.func @main(%x: tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8"> attributes {tw.symbols = {s0 = array<i64: 1, 64>}} {
  // CHECK: buffers = ["slot:0"]
  // CHECK: buffers = ["slot:1"]
  // CHECK: buffers = ["slot:0"]
  // CHECK: buffers = ["output:0"]
  %0 = "tw.launch"(%x) {callee = @f, symbols = {d0 = "s0"}} : (tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8">
  %1 = "tw.launch"(%0) {callee = @f, symbols = {d0 = "s0"}} : (tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8">
  %2 = "tw.launch"(%1) {callee = @f, symbols = {d0 = "s0"}} : (tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8">
  %3 = "tw.launch"(%2) {callee = @f, symbols = {d0 = "s0"}} : (tensor<?x8xf32, "s0, 8">) -> tensor<?x8xf32, "s0, 8">
  return %3 : tensor<?x8xf32, "s0, 8">
}
func.func private @f(%x: tensor<?x8xf32, "d0, 8">) -> tensor<?x8xf32, "d0, 8"> attributes {tw.kernel, tw.schedule = {kind = "rows", source = "test"}, tw.symbols = {d0 = array<i64: 1, 64>}} {
  %0 = "tw.softmax"(%x) {dim = 1 : i64} : (tensor<?x8xf32, "d0, 8">) -> tensor<?x8xf32, "d0, 8">
  return %0 : tensor<?x8xf32, "d0, 8">
}
