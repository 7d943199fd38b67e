// RUN: tilewright-opt %s | filecheck %s
// RUN: tilewright-opt %s | tilewright-opt | filecheck %s

// CHECK-LABEL: func.func @sum(
// CHECK: "tw.reduce"
// CHECK-SAME: -> tensor<?xf32, "s0">
func.func @sum(%x: tensor<?x8xf32, "s0, 8">) -> tensor<?xf32, "s0"> attributes {tw.symbols = {s0 = array<i64: 1, 64>}} {
  %s = "tw.reduce"(%x) {dims = array<i64: 1>, kind = "add"} : (tensor<?x8xf32, "s0, 8">) -> tensor<?xf32, "s0">
  return %s : tensor<?xf32, "s0">
}

// CHECK-LABEL: func.func @keep(
// CHECK: "tw.reduce"
// CHECK-SAME: -> tensor<1x8x1xf32>
func.func @keep(%x: tensor<4x8x2xf32>) -> tensor<1x8x1xf32> {
  %s = "tw.reduce"(%x) {dims = array<i64: 0, 2>, keep_dims = true, kind = "max"} : (tensor<4x8x2xf32>) -> tensor<1x8x1xf32>
  return %s : tensor<1x8x1xf32>
}

// CHECK-LABEL: func.func @all_of(
// CHECK: "tw.reduce"
// CHECK-SAME: -> tensor<i1>
func.func @all_of(%x: tensor<4xi1>) -> tensor<i1> {
  %s = "tw.reduce"(%x) {dims = array<i64: 0>, kind = "and"} : (tensor<4xi1>) -> tensor<i1>
  return %s : tensor<i1>
}
