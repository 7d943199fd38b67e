// What the loop emitter refuses, and how it says so.

// RUN: tilewright-opt %s --split-input-file --verify-diagnostics -p 'tw-lower-to-linalg,tw-emit-loops{target=cpu:x86-64-v3}'

// expected-error@+1 {{the schedule of a kernel is not legal}}
func.func private @unroll(%x: tensor<4xf32>) -> tensor<4xf32>
    attributes {tw.kernel, tw.symbols = {}, tw.schedule = {kind = "rows", unroll = 99 : i64, source = "test"}} {
  return %x : tensor<4xf32>
}

// -----

func.func private @exponential(%x: tensor<4xf64>) -> tensor<4xf64> attributes {tw.kernel, tw.symbols = {}} {
  %0 = "tw.pointwise"(%x) ({
  ^bb0(%a: f64):
    // expected-error@+1 {{math.exp on f64 is not supported}}
    %1 = math.exp %a : f64
    "tw.yield"(%1) : (f64) -> ()
  }) : (tensor<4xf64>) -> tensor<4xf64>
  return %0 : tensor<4xf64>
}

// -----

func.func private @power(%x: tensor<4xf32>, %n: tensor<4xi32>) -> tensor<4xf32> attributes {tw.kernel, tw.symbols = {}} {
  %0 = "tw.pointwise"(%x, %n) ({
  ^bb0(%a: f32, %b: i32):
    // expected-error@+1 {{math.fpowi needs a constant exponent}}
    %1 = math.fpowi %a, %b : f32, i32
    "tw.yield"(%1) : (f32) -> ()
  }) : (tensor<4xf32>, tensor<4xi32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
