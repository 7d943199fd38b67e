// Pairs of bf16 on AArch64 by bfdot, where a schedule asks for it.

// RUN: tilewright-opt %s -p 'tw-pack-weights,tw-lower-templates{target=cpu:neoverse-v1}' | filecheck %s

// CHECK-LABEL: func.func @bfdot(
// CHECK: vector.bitcast %{{.*}} : vector<2xbf16> to vector<1xi32>
// CHECK: llvm.call_intrinsic "llvm.aarch64.neon.bfdot.v4f32.v8bf16"(%{{.*}}) : (vector<4xf32>, vector<8xbf16>, vector<8xbf16>) -> vector<4xf32>
func.func private @bfdot(%x: tensor<?x64xbf16, "d0, 64">, %w: tensor<64x96xbf16> {tw.weight}) -> tensor<?x96xf32, "d0, 96">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 4096>}, tw.schedule = {kind = "matmul", mr = 8 : i64, nr = 12 : i64, mb = 512 : i64, rhs = "packed", instruction = "bfdot", source = "test"}} {
  %0 = "tw.matmul"(%x, %w) {accumulate = f32} : (tensor<?x64xbf16, "d0, 64">, tensor<64x96xbf16>) -> tensor<?x96xf32, "d0, 96">
  return %0 : tensor<?x96xf32, "d0, 96">
}
