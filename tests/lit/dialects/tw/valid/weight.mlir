// RUN: tilewright-opt %s | filecheck %s
// RUN: tilewright-opt %s | tilewright-opt | filecheck %s

// CHECK-LABEL: func.func @plain(
// CHECK: "tw.weight"
// CHECK-SAME: -> tensor<384x384xf32>
func.func @plain() -> tensor<384x384xf32> {
  %w = "tw.weight"() {name = "encoder.weight"} : () -> tensor<384x384xf32>
  return %w : tensor<384x384xf32>
}

// CHECK-LABEL: func.func @packed(
// CHECK: "tw.weight"
// CHECK-SAME: -> tensor<8x384x48xf32>
func.func @packed() -> tensor<8x384x48xf32> {
  %w = "tw.weight"() {layout = {kind = "panels", nr = "48", transposed = "true"}, name = "encoder.weight"} : () -> tensor<8x384x48xf32>
  return %w : tensor<8x384x48xf32>
}

// CHECK-LABEL: func.func @cast(
// CHECK: "tw.weight"
// CHECK-SAME: -> tensor<384x384xbf16>
func.func @cast() -> tensor<384x384xbf16> {
  %w = "tw.weight"() {layout = {dtype = "bf16", kind = "plain"}, name = "encoder.weight"} : () -> tensor<384x384xbf16>
  return %w : tensor<384x384xbf16>
}

// CHECK-LABEL: func.func @cast_and_packed(
// CHECK: "tw.weight"
// CHECK-SAME: -> tensor<12x192x32x2xbf16>
func.func @cast_and_packed() -> tensor<12x192x32x2xbf16> {
  %w = "tw.weight"() {layout = {dtype = "bf16", group = "2", kind = "panels", nr = "32", transposed = "true"}, name = "encoder.weight"} : () -> tensor<12x192x32x2xbf16>
  return %w : tensor<12x192x32x2xbf16>
}
