// f16 stays f16 in packed panels and is widened when it is loaded; rows, and panels packed when the kernel runs, are widened by the copy.

// RUN: tilewright-opt %s -p 'tw-select-schedule{target=cpu:x86-64-v4},tw-pack-weights,tw-lower-templates{target=cpu:x86-64-v4}' | filecheck %s

// CHECK-LABEL: func.func @packed(
// CHECK: arith.extf %{{.*}} : vector<16xf16> to vector<16xf32>
// CHECK: :24 = scf.for
// CHECK: %[[W:.*]] = vector.load %{{.*}} : memref<?xf16>, vector<16xf16>
// CHECK: %[[R:.*]] = arith.extf %[[W]] : vector<16xf16> to vector<16xf32>
// CHECK: %[[X:.*]] = memref.load %{{.*}} : memref<?xf32>
// CHECK: %[[L:.*]] = vector.broadcast %[[X]] : f32 to vector<16xf32>
// CHECK: vector.fma %[[L]], %[[R]], %{{.*}} : vector<16xf32>
func.func private @packed(%x: tensor<?x64xf16, "d0, 64">, %w: tensor<64x384xf16> {tw.weight}) -> tensor<?x384xf16, "d0, 384">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 4096>}} {
  %0 = "tw.matmul"(%x, %w) : (tensor<?x64xf16, "d0, 64">, tensor<64x384xf16>) -> tensor<?x384xf16, "d0, 384">
  return %0 : tensor<?x384xf16, "d0, 384">
}

// CHECK-LABEL: func.func @transposed(
// CHECK-DAG: %[[VIEW:.*]] = memref.view %{{.*}} : memref<?xi8> to memref<?xf32>
// CHECK: arith.extf %{{.*}} : vector<16xf16> to vector<16xf32>
// CHECK-COUNT-64: vector.shuffle %{{.*}} : vector<16xf32>, vector<16xf32>
// CHECK: = scf.for
// CHECK: vector.fma
func.func private @transposed(%x: tensor<8x80xf16>, %w: tensor<96x80xf16>) -> tensor<8x96xf32>
    attributes {tw.kernel, tw.symbols = {}} {
  %0 = "tw.matmul"(%x, %w) {accumulate = f32, transpose_rhs = true} : (tensor<8x80xf16>, tensor<96x80xf16>) -> tensor<8x96xf32>
  return %0 : tensor<8x96xf32>
}
