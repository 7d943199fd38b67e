// RUN: tilewright-opt %s -p 'tw-fuse,tw-outline' | filecheck %s

// Two layers that differ in their weights alone share a kernel; its symbols are its own.
// CHECK-LABEL: func.func @main
func.func @main(%x: tensor<?x64xf32, "s3, 64">) -> tensor<?x64xf32, "s3, 64"> attributes {tw.symbols = {s3 = array<i64: 1, 64>}} {
  // CHECK: "tw.launch"(%{{.*}}, %{{.*}}) {callee = @matmul, symbols = {d0 = "s3"}}
  // CHECK: "tw.launch"(%{{.*}}, %{{.*}}) {callee = @matmul, symbols = {d0 = "s3"}}
  %w0 = "tw.weight"() {name = "w0"} : () -> tensor<64x64xf32>
  %w1 = "tw.weight"() {name = "w1"} : () -> tensor<64x64xf32>
  %0 = "tw.matmul"(%x, %w0) : (tensor<?x64xf32, "s3, 64">, tensor<64x64xf32>) -> tensor<?x64xf32, "s3, 64">
  %1 = "tw.matmul"(%0, %w1) : (tensor<?x64xf32, "s3, 64">, tensor<64x64xf32>) -> tensor<?x64xf32, "s3, 64">
  return %1 : tensor<?x64xf32, "s3, 64">
}
// CHECK: func.func private @matmul(%{{.*}}: tensor<?x64xf32, "d0, 64">, %{{.*}}: tensor<64x64xf32> {tw.weight})
// CHECK-SAME: tw.kernel
// CHECK-NOT: func.func private
