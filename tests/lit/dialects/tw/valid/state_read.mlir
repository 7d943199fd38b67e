// RUN: tilewright-opt %s | filecheck %s
// RUN: tilewright-opt %s | tilewright-opt | filecheck %s

// CHECK-LABEL: func.func @cache(
// CHECK: "tw.state_read"
// CHECK-SAME: -> tensor<1x8x512x64xf32>
func.func @cache() -> tensor<1x8x512x64xf32> {
  %c = "tw.state_read"() {name = "cache.0.key"} : () -> tensor<1x8x512x64xf32>
  return %c : tensor<1x8x512x64xf32>
}
