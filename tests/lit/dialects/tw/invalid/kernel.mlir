// RUN: tilewright-opt %s --split-input-file --verify-diagnostics

func.func @f(%x: tensor<4x8xf32>) -> tensor<8x4xf32> {
  // expected-error@+1 {{tw.kernel: [K1] the region has one argument per operand, of its type}}
  %y = "tw.kernel"(%x) ({
  ^bb0(%0: tensor<8x4xf32>):
    "tw.yield"(%0) : (tensor<8x4xf32>) -> ()
  }) : (tensor<4x8xf32>) -> tensor<8x4xf32>
  return %y : tensor<8x4xf32>
}

// -----

func.func @f(%x: tensor<4x8xf32>) -> tensor<8x4xf32> {
  // expected-error@+1 {{tw.kernel: [K2] the region yields the results}}
  %y = "tw.kernel"(%x) ({
  ^bb0(%0: tensor<4x8xf32>):
    "tw.yield"(%0) : (tensor<4x8xf32>) -> ()
  }) : (tensor<4x8xf32>) -> tensor<8x4xf32>
  return %y : tensor<8x4xf32>
}
