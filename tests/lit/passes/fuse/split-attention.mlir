// RUN: tilewright-opt %s -p 'tw-split-attention{target=cpu:x86-64-v4}' | filecheck %s --enable-var-scope
// RUN: tilewright-opt %s -p 'tw-split-attention{target=cpu:x86-64-v4},tw-fuse,tw-outline,tw-select-schedule{target=cpu:x86-64-v4}' | filecheck %s --check-prefix=KERNEL

// Two kernels: the slices, and the merge.
// KERNEL-LABEL: func.func @one_head
// KERNEL: %[[PARTS:.*]]:2 = "tw.launch"(%{{.*}}) {callee = @[[ATTENTION:.*]]} : {{.*}} -> (tensor<4x1x8x1x128xf32>, tensor<4x1x8x1xf32>)
// KERNEL-NEXT: "tw.launch"(%[[PARTS]]#{{[01]}}, %[[PARTS]]#{{[01]}}) {callee = @{{.*}}}
// KERNEL-NEXT: return
// KERNEL: func.func private @[[ATTENTION]](
// KERNEL-SAME: kind = "attention-decode"

// CHECK-LABEL: func.func @one_head
func.func @one_head(%q: tensor<1x8x1x128xf32>, %k: tensor<1x1x1024x128xf32>, %v: tensor<1x1x1024x128xf32>) -> tensor<1x8x1x128xf32> {
  // CHECK: %[[PARTS:.*]]:2 = "tw.attention"(%{{.*}}, %{{.*}}, %{{.*}}) {logsumexp = true, {{.*}}splits = 4 : i64} : {{.*}} -> (tensor<4x1x8x1x128xf32>, tensor<4x1x8x1xf32>)
  // CHECK: %[[LAST:.*]] = "tw.slice"(%[[PARTS]]#0) {sizes = "1, 1, 8, 1, 128", starts = "3, 0, 0, 0, 0"
  // CHECK: "tw.reshape"(%[[LAST]]) {shape = "1, 8, 1, 128"}
  // CHECK: %[[WEIGHTS:.*]]:4 = "tw.pointwise"
  // CHECK-COUNT-4: math.exp
  // CHECK: "tw.pointwise"(%[[WEIGHTS]]#0, %[[WEIGHTS]]#1, %[[WEIGHTS]]#2, %[[WEIGHTS]]#3,
  // CHECK-COUNT-4: arith.mulf
  %0 = "tw.attention"(%q, %k, %v) {scale = 0.125 : f64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0>}
      : (tensor<1x8x1x128xf32>, tensor<1x1x1024x128xf32>, tensor<1x1x1024x128xf32>) -> tensor<1x8x1x128xf32>
  return %0 : tensor<1x8x1x128xf32>
}
