// RUN: tilewright-opt %s -p 'tw-fuse' | filecheck %s

// A cast in front of a matmul goes to the kernel that computes what is cast.
// CHECK-LABEL: func.func @producer_casts
// CHECK: %[[N:.*]]:2 = "tw.kernel"(%arg0) ({
// CHECK:   "tw.softmax"
// CHECK:   arith.truncf
// CHECK:   "tw.yield"({{.*}}) : (tensor<8x64xf32>, tensor<8x64xbf16>) -> ()
// CHECK: "tw.kernel"(%[[N]]#1, %arg1) ({
// CHECK-NEXT: ^bb0(
// CHECK-NEXT:   "tw.matmul"
func.func @producer_casts(%x: tensor<8x64xf32>, %w: tensor<64x48xbf16>) -> (tensor<8x64xf32>, tensor<8x48xf32>) {
  %n = "tw.softmax"(%x) {dim = 1 : i64} : (tensor<8x64xf32>) -> tensor<8x64xf32>
  %c = "tw.pointwise"(%n) ({
  ^bb0(%a: f32):
    %r = arith.truncf %a : f32 to bf16
    "tw.yield"(%r) : (bf16) -> ()
  }) : (tensor<8x64xf32>) -> tensor<8x64xbf16>
  %y = "tw.matmul"(%c, %w) {accumulate = f32} : (tensor<8x64xbf16>, tensor<64x48xbf16>) -> tensor<8x48xf32>
  return %n, %y : tensor<8x64xf32>, tensor<8x48xf32>
}

// An epilogue casts for the next matmul.
// CHECK-LABEL: func.func @epilogue_casts
// CHECK: %[[H:.*]] = "tw.kernel"(%arg0, %arg1) ({
// CHECK:   "tw.matmul"
// CHECK:   arith.truncf
// CHECK: }) : {{.*}} -> tensor<8x64xbf16>
// CHECK: "tw.kernel"(%[[H]], %arg1)
func.func @epilogue_casts(%x: tensor<8x64xbf16>, %w: tensor<64x64xbf16>) -> tensor<8x64xf32> {
  %m = "tw.matmul"(%x, %w) {accumulate = f32} : (tensor<8x64xbf16>, tensor<64x64xbf16>) -> tensor<8x64xf32>
  %c = "tw.pointwise"(%m) ({
  ^bb0(%a: f32):
    %r = arith.truncf %a : f32 to bf16
    "tw.yield"(%r) : (bf16) -> ()
  }) : (tensor<8x64xf32>) -> tensor<8x64xbf16>
  %y = "tw.matmul"(%c, %w) {accumulate = f32} : (tensor<8x64xbf16>, tensor<64x64xbf16>) -> tensor<8x64xf32>
  return %y : tensor<8x64xf32>
}

// Where nothing computes it that could, every matmul casts for itself, under the transpose of its operand.
// CHECK-LABEL: func.func @matmul_casts
// CHECK: %[[A:.*]] = "tw.kernel"(%arg0, %arg1) ({
// CHECK:   %[[T:.*]] = "tw.transpose"
// CHECK:   %[[C:.*]] = "tw.pointwise"(%[[T]])
// CHECK:   "tw.matmul"(%[[C]]
// CHECK: %[[B:.*]] = "tw.kernel"(%arg0, %arg2) ({
// CHECK:   "tw.transpose"
// CHECK:   "tw.pointwise"
// CHECK:   "tw.matmul"
// CHECK-NOT: "tw.kernel"
// CHECK: return %[[A]], %[[B]]
func.func @matmul_casts(%x: tensor<2x8x3x64xf32>, %v: tensor<64x48xbf16>, %w: tensor<64x40xbf16>) -> (tensor<2x3x8x48xf32>, tensor<2x3x8x40xf32>) {
  %t = "tw.transpose"(%x) {permutation = array<i64: 0, 2, 1, 3>} : (tensor<2x8x3x64xf32>) -> tensor<2x3x8x64xf32>
  %c = "tw.pointwise"(%t) ({
  ^bb0(%a: f32):
    %r = arith.truncf %a : f32 to bf16
    "tw.yield"(%r) : (bf16) -> ()
  }) : (tensor<2x3x8x64xf32>) -> tensor<2x3x8x64xbf16>
  %y = "tw.matmul"(%c, %v) {accumulate = f32} : (tensor<2x3x8x64xbf16>, tensor<64x48xbf16>) -> tensor<2x3x8x48xf32>
  %z = "tw.matmul"(%c, %w) {accumulate = f32} : (tensor<2x3x8x64xbf16>, tensor<64x40xbf16>) -> tensor<2x3x8x40xf32>
  return %y, %z : tensor<2x3x8x48xf32>, tensor<2x3x8x40xf32>
}

// A cast that others need too is computed once, by itself.
// CHECK-LABEL: func.func @shared_cast
// CHECK: %[[C:.*]] = "tw.kernel"(%arg0) ({
// CHECK:   arith.truncf
// CHECK: %[[Y:.*]] = "tw.kernel"(%[[C]], %arg1)
// CHECK: return %[[C]], %[[Y]]
func.func @shared_cast(%x: tensor<8x64xf32>, %w: tensor<64x48xbf16>) -> (tensor<8x64xbf16>, tensor<8x48xf32>) {
  %c = "tw.pointwise"(%x) ({
  ^bb0(%a: f32):
    %r = arith.truncf %a : f32 to bf16
    "tw.yield"(%r) : (bf16) -> ()
  }) : (tensor<8x64xf32>) -> tensor<8x64xbf16>
  %y = "tw.matmul"(%c, %w) {accumulate = f32} : (tensor<8x64xbf16>, tensor<64x48xbf16>) -> tensor<8x48xf32>
  return %c, %y : tensor<8x64xbf16>, tensor<8x48xf32>
}
