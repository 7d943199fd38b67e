// RUN: tilewright-opt %s --split-input-file --verify-diagnostics

func.func @f(%x: tensor<8x4xf32>, %w: tensor<4x6xf32>, %o: tensor<2xi32>) -> tensor<8x6xf32> {
  // expected-error@+1 {{tw.grouped_matmul: [M1] lhs is [M, K], rhs [G, K, N], offsets [G]}}
  %y = "tw.grouped_matmul"(%x, %w, %o) : (tensor<8x4xf32>, tensor<4x6xf32>, tensor<2xi32>) -> tensor<8x6xf32>
  return %y : tensor<8x6xf32>
}

// -----

func.func @f(%x: tensor<8x4xf32>, %w: tensor<2x4x6xbf16>, %o: tensor<2xi32>) -> tensor<8x6xf32> {
  // expected-error@+1 {{tw.grouped_matmul: [M2] element types are equal}}
  %y = "tw.grouped_matmul"(%x, %w, %o) : (tensor<8x4xf32>, tensor<2x4x6xbf16>, tensor<2xi32>) -> tensor<8x6xf32>
  return %y : tensor<8x6xf32>
}

// -----

func.func @f(%x: tensor<8x5xf32>, %w: tensor<2x4x6xf32>, %o: tensor<2xi32>) -> tensor<8x6xf32> {
  // expected-error@+1 {{tw.grouped_matmul: [M3] the contracted sizes are equal}}
  %y = "tw.grouped_matmul"(%x, %w, %o) : (tensor<8x5xf32>, tensor<2x4x6xf32>, tensor<2xi32>) -> tensor<8x6xf32>
  return %y : tensor<8x6xf32>
}

// -----

func.func @f(%x: tensor<8x4xf32>, %w: tensor<2x4x6xf32>, %o: tensor<2xi64>) -> tensor<8x6xf32> {
  // expected-error@+1 {{tw.grouped_matmul: [M4] one i32 offset per group}}
  %y = "tw.grouped_matmul"(%x, %w, %o) : (tensor<8x4xf32>, tensor<2x4x6xf32>, tensor<2xi64>) -> tensor<8x6xf32>
  return %y : tensor<8x6xf32>
}

// -----

func.func @f(%x: tensor<8x4xf32>, %w: tensor<2x4x6xf32>, %o: tensor<3xi32>) -> tensor<8x6xf32> {
  // expected-error@+1 {{tw.grouped_matmul: [M4] one i32 offset per group}}
  %y = "tw.grouped_matmul"(%x, %w, %o) : (tensor<8x4xf32>, tensor<2x4x6xf32>, tensor<3xi32>) -> tensor<8x6xf32>
  return %y : tensor<8x6xf32>
}
