// RUN: tilewright-opt %s | filecheck %s
// RUN: tilewright-opt %s | tilewright-opt | filecheck %s

// CHECK-LABEL: func.func @scalar(
// CHECK: "tw.constant"
// CHECK-SAME: -> tensor<f32>
func.func @scalar() -> tensor<f32> {
  %c = "tw.constant"() {value = dense<1.0> : tensor<f32>} : () -> tensor<f32>
  return %c : tensor<f32>
}

// CHECK-LABEL: func.func @vector(
// CHECK: "tw.constant"
// CHECK-SAME: -> tensor<3xi64>
func.func @vector() -> tensor<3xi64> {
  %c = "tw.constant"() {value = dense<[1, 2, 3]> : tensor<3xi64>} : () -> tensor<3xi64>
  return %c : tensor<3xi64>
}

// CHECK-LABEL: func.func @truth(
// CHECK: "tw.constant"
// CHECK-SAME: -> tensor<2xi1>
func.func @truth() -> tensor<2xi1> {
  %c = "tw.constant"() {value = dense<[true, false]> : tensor<2xi1>} : () -> tensor<2xi1>
  return %c : tensor<2xi1>
}

// CHECK-LABEL: func.func @large_splat(
// CHECK: "tw.constant"
// CHECK-SAME: -> tensor<64x64xbf16>
func.func @large_splat() -> tensor<64x64xbf16> {
  %c = "tw.constant"() {value = dense<0.5> : tensor<64x64xbf16>} : () -> tensor<64x64xbf16>
  return %c : tensor<64x64xbf16>
}
