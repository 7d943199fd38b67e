// What the attention template refuses, and how it says so.

// RUN: tilewright-opt %s --split-input-file --verify-diagnostics -p 'tw-lower-templates{target=cpu:x86-64-v3}'

func.func private @head_size(%q: tensor<1x2x4x1024xf32>) -> tensor<1x2x4x1024xf32>
    attributes {tw.kernel, tw.symbols = {}, tw.schedule = {kind = "attention", vectors = 2 : i64, rows = 4 : i64, block = 256 : i64, source = "test"}} {
  // expected-error@+1 {{the attention template does not cover this tw.attention}}
  %0 = "tw.attention"(%q, %q, %q) {scale = 0.25 : f64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0>}
      : (tensor<1x2x4x1024xf32>, tensor<1x2x4x1024xf32>, tensor<1x2x4x1024xf32>) -> tensor<1x2x4x1024xf32>
  return %0 : tensor<1x2x4x1024xf32>
}

// -----

// expected-error@+1 {{the schedule of kernel @registers is not legal}}
func.func private @registers(%q: tensor<1x2x4x16xf32>) -> tensor<1x2x4x16xf32>
    attributes {tw.kernel, tw.symbols = {}, tw.schedule = {kind = "attention", vectors = 2 : i64, rows = 8 : i64, block = 256 : i64, source = "test"}} {
  %0 = "tw.attention"(%q, %q, %q) {scale = 0.25 : f64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0>}
      : (tensor<1x2x4x16xf32>, tensor<1x2x4x16xf32>, tensor<1x2x4x16xf32>) -> tensor<1x2x4x16xf32>
  return %0 : tensor<1x2x4x16xf32>
}
