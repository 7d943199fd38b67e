// RUN: tilewright-opt %s -p tw-cse | filecheck %s

// Equal ops are one, also when their regions are written differently; ops that differ in an attribute are not.
// CHECK-LABEL: func.func @equal
// CHECK: %[[P:.*]] = "tw.pointwise"(%arg0)
// CHECK-NOT: "tw.pointwise"
// CHECK: %[[S:.*]] = "tw.softmax"(%[[P]]) {dim = 1 : i64}
// CHECK: %[[T:.*]] = "tw.softmax"(%[[P]]) {dim = 0 : i64}
// CHECK: return %[[S]], %[[S]], %[[T]]
func.func @equal(%x: tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>) {
  %0 = "tw.pointwise"(%x) ({
  ^bb0(%a: f32):
    %two = arith.constant 2.0 : f32
    %r = arith.mulf %a, %two : f32
    "tw.yield"(%r) : (f32) -> ()
  }) : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %1 = "tw.pointwise"(%x) ({
  ^bb0(%a: f32):
    %unused = math.exp %a : f32
    %two = arith.constant 2.0 : f32
    %r = arith.mulf %two, %a : f32
    "tw.yield"(%r) : (f32) -> ()
  }) : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %2 = "tw.softmax"(%0) {dim = 1 : i64} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %3 = "tw.softmax"(%1) {dim = 1 : i64} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %4 = "tw.softmax"(%1) {dim = 0 : i64} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return %2, %3, %4 : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>
}

// State may change between two reads of it.
// CHECK-LABEL: func.func @reads
// CHECK-COUNT-2: "tw.state_read"
func.func @reads() -> (tensor<4xf32>, tensor<4xf32>) {
  %0 = "tw.state_read"() {name = "cache"} : () -> tensor<4xf32>
  %1 = "tw.state_read"() {name = "cache"} : () -> tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}
