// RUN: tilewright-opt %s -p tw-simplify-accumulation | filecheck %s --check-prefixes=CHECK,ALONE
// RUN: tilewright-opt %s -p tw-simplify,tw-recover | filecheck %s --check-prefixes=CHECK,MERGED

// CHECK-LABEL: func.func @rounding
// CHECK: %[[S:.*]] = "tw.matmul"(%arg0, %arg1) {accumulate = f32, transpose_rhs = true} : (tensor<4x8xbf16>, tensor<6x8xbf16>) -> tensor<4x6xf32>
// CHECK: %[[R:.*]] = "tw.pointwise"(%[[S]]) ({
// CHECK: arith.truncf %{{.*}} : f32 to bf16
// CHECK: return %[[R]]
func.func @rounding(%x: tensor<4x8xbf16>, %w: tensor<6x8xbf16>) -> tensor<4x6xbf16> {
  %y = "tw.matmul"(%x, %w) {transpose_rhs = true} : (tensor<4x8xbf16>, tensor<6x8xbf16>) -> tensor<4x6xbf16>
  return %y : tensor<4x6xbf16>
}

// The rounding joins the op that follows; it is not skipped.
// CHECK-LABEL: func.func @followed
// CHECK: %[[S:.*]] = "tw.matmul"(%arg0, %arg1) {accumulate = f32}
// MERGED: %[[R:.*]] = "tw.pointwise"(%[[S]], %arg2) ({
// MERGED: ^bb0(%[[A:.*]]: f32, %[[B:.*]]: f32):
// MERGED: %[[T:.*]] = arith.truncf %[[A]] : f32 to f16
// MERGED: %[[E:.*]] = arith.extf %[[T]] : f16 to f32
// MERGED: arith.addf %[[E]], %[[B]] : f32
// MERGED: return %[[R]]
func.func @followed(%x: tensor<4x8xf16>, %w: tensor<8x6xf16>, %b: tensor<6xf32>) -> tensor<4x6xf32> {
  %y = "tw.matmul"(%x, %w) : (tensor<4x8xf16>, tensor<8x6xf16>) -> tensor<4x6xf16>
  %r = "tw.pointwise"(%y, %b) ({
  ^bb0(%a: f16, %c: f32):
    %0 = arith.extf %a : f16 to f32
    %1 = arith.addf %0, %c : f32
    "tw.yield"(%1) : (f32) -> ()
  }) : (tensor<4x6xf16>, tensor<6xf32>) -> tensor<4x6xf32>
  return %r : tensor<4x6xf32>
}

// CHECK-LABEL: func.func @bytes
// CHECK: %[[S:.*]] = "tw.matmul"(%arg0, %arg1) {accumulate = i32} : (tensor<4x8xi8>, tensor<8x6xi8>) -> tensor<4x6xi32>
// CHECK: return %[[S]]
func.func @bytes(%x: tensor<4x8xi8>, %w: tensor<8x6xi8>) -> tensor<4x6xi32> {
  %0 = "tw.pointwise"(%x) ({
  ^bb0(%a: i8):
    %r = arith.extsi %a : i8 to i32
    "tw.yield"(%r) : (i32) -> ()
  }) : (tensor<4x8xi8>) -> tensor<4x8xi32>
  %1 = "tw.pointwise"(%w) ({
  ^bb0(%a: i8):
    %r = arith.extsi %a : i8 to i32
    "tw.yield"(%r) : (i32) -> ()
  }) : (tensor<8x6xi8>) -> tensor<8x6xi32>
  %y = "tw.matmul"(%0, %1) : (tensor<4x8xi32>, tensor<8x6xi32>) -> tensor<4x6xi32>
  return %y : tensor<4x6xi32>
}

// Nothing to say: the operands are not narrower than the sums, or one of them is not.
// CHECK-LABEL: func.func @wide
// CHECK: "tw.matmul"(%arg0, %arg1) : (tensor<4x8xf32>, tensor<8x6xf32>)
// CHECK: "tw.matmul"(%{{.*}}, %arg3) : (tensor<4x8xi32>, tensor<8x6xi32>)
func.func @wide(%x: tensor<4x8xf32>, %w: tensor<8x6xf32>, %i: tensor<4x8xi8>, %j: tensor<8x6xi32>) -> (tensor<4x6xf32>, tensor<4x6xi32>) {
  %y = "tw.matmul"(%x, %w) : (tensor<4x8xf32>, tensor<8x6xf32>) -> tensor<4x6xf32>
  %0 = "tw.pointwise"(%i) ({
  ^bb0(%a: i8):
    %r = arith.extsi %a : i8 to i32
    "tw.yield"(%r) : (i32) -> ()
  }) : (tensor<4x8xi8>) -> tensor<4x8xi32>
  %z = "tw.matmul"(%0, %j) : (tensor<4x8xi32>, tensor<8x6xi32>) -> tensor<4x6xi32>
  return %y, %z : tensor<4x6xf32>, tensor<4x6xi32>
}
