// What the attention template for few queries refuses, and how it says so.

// RUN: tilewright-opt %s --split-input-file --verify-diagnostics -p 'tw-lower-templates{target=cpu:x86-64-v3}'

func.func private @head(%q: tensor<1x2x1x2048xf32>) -> tensor<1x2x1x2048xf32>
    attributes {tw.kernel, tw.symbols = {}, tw.schedule = {kind = "attention-decode", tile = 1 : i64, rows = 1 : i64, block = 32 : i64, prefetch = 0 : i64, source = "test"}} {
  // expected-error@+1 {{the decode template does not cover this tw.attention}}
  %0 = "tw.attention"(%q, %q, %q) {scale = 0.25 : f64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0>}
      : (tensor<1x2x1x2048xf32>, tensor<1x2x1x2048xf32>, tensor<1x2x1x2048xf32>) -> tensor<1x2x1x2048xf32>
  return %0 : tensor<1x2x1x2048xf32>
}

// -----

// expected-error@+1 {{the schedule of kernel @registers is not legal}}
func.func private @registers(%q: tensor<1x8x1x16xf32>, %k: tensor<1x2x4x16xf32>) -> tensor<1x8x1x16xf32>
    attributes {tw.kernel, tw.symbols = {}, tw.schedule = {kind = "attention-decode", tile = 4 : i64, rows = 4 : i64, block = 32 : i64, prefetch = 0 : i64, source = "test"}} {
  %0 = "tw.attention"(%q, %k, %k) {scale = 0.25 : f64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0>}
      : (tensor<1x8x1x16xf32>, tensor<1x2x4x16xf32>, tensor<1x2x4x16xf32>) -> tensor<1x8x1x16xf32>
  return %0 : tensor<1x8x1x16xf32>
}

// -----

func.func private @twice(%q: tensor<1x2x1x16xf32>) -> (tensor<1x2x1x16xf32>, tensor<1x2x1x16xf32>)
    attributes {tw.kernel, tw.symbols = {}, tw.schedule = {kind = "attention-decode", tile = 1 : i64, rows = 1 : i64, block = 32 : i64, prefetch = 0 : i64, source = "test"}} {
  // expected-error@+1 {{tw.attention does not fit into an attention kernel}}
  %0 = "tw.attention"(%q, %q, %q) {scale = 0.25 : f64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0>}
      : (tensor<1x2x1x16xf32>, tensor<1x2x1x16xf32>, tensor<1x2x1x16xf32>) -> tensor<1x2x1x16xf32>
  return %0, %0 : tensor<1x2x1x16xf32>, tensor<1x2x1x16xf32>
}

// -----

func.func private @computed(%q: tensor<1x2x1x16xf32>) -> tensor<1x2x1x16xf32>
    attributes {tw.kernel, tw.symbols = {}, tw.schedule = {kind = "attention-decode", tile = 1 : i64, rows = 1 : i64, block = 32 : i64, prefetch = 0 : i64, source = "test"}} {
  // expected-error@+1 {{q of an attention kernel is computed in it}}
  %k = "tw.reverse"(%q) {dims = array<i64: 3>} : (tensor<1x2x1x16xf32>) -> tensor<1x2x1x16xf32>
  %0 = "tw.attention"(%k, %q, %q) {scale = 0.25 : f64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0>}
      : (tensor<1x2x1x16xf32>, tensor<1x2x1x16xf32>, tensor<1x2x1x16xf32>) -> tensor<1x2x1x16xf32>
  return %0 : tensor<1x2x1x16xf32>
}
