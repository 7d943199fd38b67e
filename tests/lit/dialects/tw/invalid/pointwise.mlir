// RUN: tilewright-opt %s --split-input-file --verify-diagnostics

func.func @f(%x: tensor<4x8xf32>) -> tensor<8xf32> {
  // expected-error@+1 {{tw.pointwise: [P1] operands broadcast to the shape of the results}}
  %y = "tw.pointwise"(%x) ({
  ^bb0(%0: f32):
    "tw.yield"(%0) : (f32) -> ()
  }) : (tensor<4x8xf32>) -> tensor<8xf32>
  return %y : tensor<8xf32>
}

// -----

func.func @f(%x: tensor<4x8xf32>) -> tensor<4x8xf16> {
  // expected-error@+1 {{tw.pointwise: [P2] the region has one scalar argument per operand, of its element type}}
  %y = "tw.pointwise"(%x) ({
  ^bb0(%0: f16):
    "tw.yield"(%0) : (f16) -> ()
  }) : (tensor<4x8xf32>) -> tensor<4x8xf16>
  return %y : tensor<4x8xf16>
}

// -----

func.func @f(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error@+1 {{tw.pointwise: [P2] the region has one scalar argument per operand, of its element type}}
  %y = "tw.pointwise"(%x) ({
  ^bb0(%0: f32, %1: f32):
    "tw.yield"(%0) : (f32) -> ()
  }) : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// -----

func.func @f(%x: tensor<4x8xf32>) -> tensor<4x8xf64> {
  // expected-error@+1 {{tw.pointwise: [P3] the region yields one scalar per result, of its element type}}
  %y = "tw.pointwise"(%x) ({
  ^bb0(%0: f32):
    "tw.yield"(%0) : (f32) -> ()
  }) : (tensor<4x8xf32>) -> tensor<4x8xf64>
  return %y : tensor<4x8xf64>
}
