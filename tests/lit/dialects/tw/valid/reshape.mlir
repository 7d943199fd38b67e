// RUN: tilewright-opt %s | filecheck %s
// RUN: tilewright-opt %s | tilewright-opt | filecheck %s

// CHECK-LABEL: func.func @static(
// CHECK: "tw.reshape"
// CHECK-SAME: -> tensor<2x12xf32>
func.func @static(%x: tensor<4x6xf32>) -> tensor<2x12xf32> {
  %y = "tw.reshape"(%x) {shape = "2, 12"} : (tensor<4x6xf32>) -> tensor<2x12xf32>
  return %y : tensor<2x12xf32>
}

// CHECK-LABEL: func.func @dynamic(
// CHECK: "tw.reshape"
// CHECK-SAME: -> tensor<?x4x96xf32, "s0*s1, 4, 96">
func.func @dynamic(%x: tensor<?x?x384xf32, "s0, s1, 384">) -> tensor<?x4x96xf32, "s0*s1, 4, 96"> attributes {tw.symbols = {s0 = array<i64: 1, 64>, s1 = array<i64: 1, 64>}} {
  %y = "tw.reshape"(%x) {shape = "s0*s1, 4, 96"} : (tensor<?x?x384xf32, "s0, s1, 384">) -> tensor<?x4x96xf32, "s0*s1, 4, 96">
  return %y : tensor<?x4x96xf32, "s0*s1, 4, 96">
}

// CHECK-LABEL: func.func @to_scalar(
// CHECK: "tw.reshape"
// CHECK-SAME: -> tensor<f32>
func.func @to_scalar(%x: tensor<1x1xf32>) -> tensor<f32> {
  %y = "tw.reshape"(%x) {shape = ""} : (tensor<1x1xf32>) -> tensor<f32>
  return %y : tensor<f32>
}
