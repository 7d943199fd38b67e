// RUN: tilewright-opt %s --split-input-file --verify-diagnostics -p 'tw-pack-weights'

func.func private @matmul(%x: tensor<8x64xf32>, %w: tensor<64x96xf32> {tw.weight}) -> tensor<8x96xf32> attributes {tw.kernel, tw.schedule = {kind = "matmul", mr = 8 : i64, nr = 48 : i64, rhs = "packed", instruction = "vpdpbusd", source = "test"}} {
  // expected-error@+1 {{a weight cannot be packed for the schedule of its kernel}}
  %0 = "tw.matmul"(%x, %w) : (tensor<8x64xf32>, tensor<64x96xf32>) -> tensor<8x96xf32>
  return %0 : tensor<8x96xf32>
}

// -----

// A right side that changes from call to call.
func.func private @activations(%x: tensor<8x64xf32>, %y: tensor<64x96xf32>) -> tensor<8x96xf32> attributes {tw.kernel, tw.schedule = {kind = "matmul", mr = 8 : i64, nr = 48 : i64, rhs = "packed", source = "test"}} {
  // expected-error@+1 {{a weight cannot be packed for the schedule of its kernel}}
  %0 = "tw.matmul"(%x, %y) : (tensor<8x64xf32>, tensor<64x96xf32>) -> tensor<8x96xf32>
  return %0 : tensor<8x96xf32>
}
