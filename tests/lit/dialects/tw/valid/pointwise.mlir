// RUN: tilewright-opt %s | filecheck %s
// RUN: tilewright-opt %s | tilewright-opt | filecheck %s

// CHECK-LABEL: func.func @bias(
// CHECK: "tw.pointwise"
// CHECK: -> tensor<?x384xf32, "s0, 384">
func.func @bias(%x: tensor<?x384xf32, "s0, 384">, %b: tensor<384xf32>) -> tensor<?x384xf32, "s0, 384"> attributes {tw.symbols = {s0 = array<i64: 1, 64>}} {
  %y = "tw.pointwise"(%x, %b) ({
  ^bb0(%0: f32, %1: f32):
    %2 = arith.addf %0, %1 : f32
    "tw.yield"(%2) : (f32) -> ()
  }) : (tensor<?x384xf32, "s0, 384">, tensor<384xf32>) -> tensor<?x384xf32, "s0, 384">
  return %y : tensor<?x384xf32, "s0, 384">
}

// CHECK-LABEL: func.func @fill(
// CHECK: "tw.pointwise"
// CHECK: -> tensor<?x4xf32, "s0, 4">
func.func @fill() -> tensor<?x4xf32, "s0, 4"> attributes {tw.symbols = {s0 = array<i64: 1, 64>}} {
  %y = "tw.pointwise"() ({
    %0 = arith.constant 1.0 : f32
    "tw.yield"(%0) : (f32) -> ()
  }) : () -> tensor<?x4xf32, "s0, 4">
  return %y : tensor<?x4xf32, "s0, 4">
}

// CHECK-LABEL: func.func @two_results(
// CHECK: "tw.pointwise"
// CHECK: -> (tensor<8xf32>, tensor<8xf32>)
func.func @two_results(%x: tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>) {
  %y:2 = "tw.pointwise"(%x) ({
  ^bb0(%0: f32):
    %1 = math.sin %0 : f32
    %2 = math.cos %0 : f32
    "tw.yield"(%1, %2) : (f32, f32) -> ()
  }) : (tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>)
  return %y#0, %y#1 : tensor<8xf32>, tensor<8xf32>
}
