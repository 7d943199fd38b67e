// RUN: not --code 2 tilewright-opt %s -p 'tw-lower-to-gpu{target=cpu:x86-64-v3}' 2>&1 | filecheck %s --check-prefix CPU
// RUN: not --code 2 tilewright-opt %s -p 'tw-gpu-to-nvvm{target=cpu:x86-64-v3}' 2>&1 | filecheck %s --check-prefix CPU
// RUN: tilewright-opt %s -p 'tw-lower-to-gpu,tw-gpu-to-nvvm' --split-input-file --verify-diagnostics

// CPU: cpu:x86-64-v3 is not a GPU

func.func private @matmul(%x: tensor<4x8xf32>, %w: tensor<8x16xf32>) -> tensor<4x16xf32> attributes {tw.kernel} {
  // expected-error@+1 {{kernel @matmul: no lowering of tw.matmul for cuda:sm_90}}
  %0 = "tw.matmul"(%x, %w) : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
  return %0 : tensor<4x16xf32>
}

// -----

// expected-error@+1 {{the schedule of kernel @odd_block is not legal}}
func.func private @odd_block(%x: tensor<4x8xf32>) -> tensor<4x8xf32>
    attributes {tw.kernel, tw.schedule = {kind = "gpu-rows", block = 96, group = 32, vector = 4, source = "hand"}} {
  %0 = "tw.softmax"(%x) {dim = 1 : i64} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// -----

gpu.module @leftover {
  gpu.func @leftover(%x: f64) kernel {
    // expected-error@+1 {{a math op has no instruction on this GPU}}
    %0 = math.exp2 %x : f64
    gpu.return
  }
}
