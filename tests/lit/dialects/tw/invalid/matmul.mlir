// RUN: tilewright-opt %s --split-input-file --verify-diagnostics

func.func @f(%x: tensor<8xf32>, %w: tensor<8x6xf32>) -> tensor<6xf32> {
  // expected-error@+1 {{tw.matmul: [M1] both operands have at least two dimensions}}
  %y = "tw.matmul"(%x, %w) : (tensor<8xf32>, tensor<8x6xf32>) -> tensor<6xf32>
  return %y : tensor<6xf32>
}

// -----

func.func @f(%x: tensor<4x8xf32>, %w: tensor<8x6xf16>) -> tensor<4x6xf32> {
  // expected-error@+1 {{tw.matmul: [M2] element types are equal}}
  %y = "tw.matmul"(%x, %w) : (tensor<4x8xf32>, tensor<8x6xf16>) -> tensor<4x6xf32>
  return %y : tensor<4x6xf32>
}

// -----

func.func @f(%x: tensor<4x8xf32>, %w: tensor<8x6xf32>) -> tensor<4x8xf32> {
  // expected-error@+1 {{tw.matmul: [M3] the contracted sizes are equal}}
  %y = "tw.matmul"(%x, %w) {transpose_rhs = true} : (tensor<4x8xf32>, tensor<8x6xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// -----

func.func @f(%x: tensor<?x?xf32, "s0, s1">, %w: tensor<?x6xf32, "s0, 6">) -> tensor<?x6xf32, "s0, 6"> attributes {tw.symbols = {s0 = array<i64: 1, 64>, s1 = array<i64: 1, 64>}} {
  // expected-error@+1 {{tw.matmul: [M3] the contracted sizes are equal}}
  %y = "tw.matmul"(%x, %w) : (tensor<?x?xf32, "s0, s1">, tensor<?x6xf32, "s0, 6">) -> tensor<?x6xf32, "s0, 6">
  return %y : tensor<?x6xf32, "s0, 6">
}

// -----

func.func @f(%x: tensor<3x4x8xf32>, %w: tensor<2x8x6xf32>) -> tensor<3x4x6xf32> {
  // expected-error@+1 {{tw.matmul: [M4] leading dimensions broadcast}}
  %y = "tw.matmul"(%x, %w) : (tensor<3x4x8xf32>, tensor<2x8x6xf32>) -> tensor<3x4x6xf32>
  return %y : tensor<3x4x6xf32>
}

// -----

func.func @f(%x: tensor<4x8xf32>, %w: tensor<8x6xf32>) -> tensor<6x4xf32> {
  // expected-error@+1 {{tw.matmul: result types do not follow from the operands}}
  %y = "tw.matmul"(%x, %w) : (tensor<4x8xf32>, tensor<8x6xf32>) -> tensor<6x4xf32>
  return %y : tensor<6x4xf32>
}

// -----

func.func @f(%x: tensor<4x8xf32>, %w: tensor<8x6xf32>) -> tensor<4x6xf32> {
  // expected-error@+1 {{attribute 'transpose_rhs' of tw.matmul is not a bool: 1 : i64}}
  %y = "tw.matmul"(%x, %w) {transpose_rhs = 1 : i64} : (tensor<4x8xf32>, tensor<8x6xf32>) -> tensor<4x6xf32>
  return %y : tensor<4x6xf32>
}

// -----

func.func @f(%x: tensor<4x8xf32>, %w: tensor<8x6xf32>) -> tensor<4x6xf32> {
  // expected-error@+1 {{tw.matmul has no attribute 'transpose_b'}}
  %y = "tw.matmul"(%x, %w) {transpose_b = true} : (tensor<4x8xf32>, tensor<8x6xf32>) -> tensor<4x6xf32>
  return %y : tensor<4x6xf32>
}

// -----

func.func @f(%x: tensor<4x8xf32>) -> tensor<4x6xf32> {
  // expected-error@+1 {{tw.matmul takes operands (lhs, rhs), got 1}}
  %y = "tw.matmul"(%x) : (tensor<4x8xf32>) -> tensor<4x6xf32>
  return %y : tensor<4x6xf32>
}

// -----

func.func @f(%x: tensor<4x8xf32>, %w: tensor<8x6xf32>) -> tensor<4x6xf32> {
  // expected-error@+1 {{unknown op 'tw.matmull'}}
  %y = "tw.matmull"(%x, %w) : (tensor<4x8xf32>, tensor<8x6xf32>) -> tensor<4x6xf32>
  return %y : tensor<4x6xf32>
}

// -----

func.func @f(%x: tensor<4x8xbf16>, %w: tensor<8x6xbf16>) -> tensor<4x6xf64> {
  // expected-error@+1 {{tw.matmul: [M5] accumulate is f32 for f16 and bf16 operands, i32 for i8 operands}}
  %y = "tw.matmul"(%x, %w) {accumulate = f64} : (tensor<4x8xbf16>, tensor<8x6xbf16>) -> tensor<4x6xf64>
  return %y : tensor<4x6xf64>
}

// -----

func.func @f(%x: tensor<4x8xf32>, %w: tensor<8x6xf32>) -> tensor<4x6xf32> {
  // expected-error@+1 {{tw.matmul: [M5] accumulate is f32 for f16 and bf16 operands, i32 for i8 operands}}
  %y = "tw.matmul"(%x, %w) {accumulate = f32} : (tensor<4x8xf32>, tensor<8x6xf32>) -> tensor<4x6xf32>
  return %y : tensor<4x6xf32>
}

// -----

func.func @f(%x: tensor<4x8xi8>, %w: tensor<8x6xi8>) -> tensor<4x6xi8> {
  // expected-error@+1 {{tw.matmul: result types do not follow from the operands}}
  %y = "tw.matmul"(%x, %w) {accumulate = i32} : (tensor<4x8xi8>, tensor<8x6xi8>) -> tensor<4x6xi8>
  return %y : tensor<4x6xi8>
}
