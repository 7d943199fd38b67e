// NEON: the same template with vectors of four lanes.

// RUN: tilewright-opt %s -p 'tw-select-schedule{target=cpu:aarch64},tw-pack-weights,tw-lower-templates{target=cpu:aarch64}' | filecheck %s

// CHECK-LABEL: func.func @dense(
// CHECK: :24 = scf.for
// CHECK-SAME: vector<4xf32>
func.func private @dense(%x: tensor<?x64xf32, "d0, 64">, %w: tensor<64x384xf32> {tw.weight}) -> tensor<?x384xf32, "d0, 384">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 4096>}} {
  %0 = "tw.matmul"(%x, %w) : (tensor<?x64xf32, "d0, 64">, tensor<64x384xf32>) -> tensor<?x384xf32, "d0, 384">
  return %0 : tensor<?x384xf32, "d0, 384">
}
