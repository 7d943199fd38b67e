// RUN: tilewright-opt %s | filecheck %s
// RUN: tilewright-opt %s | tilewright-opt | filecheck %s

// CHECK-LABEL: func.func @cache(
// CHECK: "tw.state_update"
// CHECK-SAME: -> tensor<1x8x512x64xf32>
func.func @cache(%c: tensor<1x8x512x64xf32>, %k: tensor<1x8x1x64xf32>, %p: tensor<i64>) -> tensor<1x8x512x64xf32> {
  %n = "tw.state_update"(%c, %k, %p) {dim = 2 : i64} : (tensor<1x8x512x64xf32>, tensor<1x8x1x64xf32>, tensor<i64>) -> tensor<1x8x512x64xf32>
  return %n : tensor<1x8x512x64xf32>
}
