// RUN: tilewright-opt %s --split-input-file --verify-diagnostics

func.func @f(%p: tensor<3x64x48xf32>) -> tensor<64x200xf32> {
  // expected-error@+1 {{tw.unpack: [U1] panels are a static}}
  %w = "tw.unpack"(%p) {columns = 200 : i64} : (tensor<3x64x48xf32>) -> tensor<64x200xf32>
  return %w : tensor<64x200xf32>
}

// -----

func.func @f(%p: tensor<64x48xf32>) -> tensor<64x100xf32> {
  // expected-error@+1 {{tw.unpack: [U1] panels are a static}}
  %w = "tw.unpack"(%p) {columns = 100 : i64} : (tensor<64x48xf32>) -> tensor<64x100xf32>
  return %w : tensor<64x100xf32>
}

// -----

func.func @f(%p: tensor<3x64x0xf32>) -> tensor<64x100xf32> {
  // expected-error@+1 {{tw.unpack: [U1] panels are a static}}
  %w = "tw.unpack"(%p) {columns = 100 : i64} : (tensor<3x64x0xf32>) -> tensor<64x100xf32>
  return %w : tensor<64x100xf32>
}

// -----

// Padding in K is less than a group.
func.func @f(%p: tensor<3x32x48x2xbf16>) -> tensor<62x100xbf16> {
  // expected-error@+1 {{tw.unpack: [U1] panels are a static}}
  %w = "tw.unpack"(%p) {columns = 100 : i64, rows = 62 : i64} : (tensor<3x32x48x2xbf16>) -> tensor<62x100xbf16>
  return %w : tensor<62x100xbf16>
}

// -----

// Groups of one row have no dimension of their own.
func.func @f(%p: tensor<3x64x48x1xf32>) -> tensor<64x100xf32> {
  // expected-error@+1 {{tw.unpack: [U1] panels are a static}}
  %w = "tw.unpack"(%p) {columns = 100 : i64} : (tensor<3x64x48x1xf32>) -> tensor<64x100xf32>
  return %w : tensor<64x100xf32>
}

// -----

func.func @f(%p: tensor<3x64x48xf32>) -> tensor<63x100xf32> {
  // expected-error@+1 {{tw.unpack: [U1] panels are a static}}
  %w = "tw.unpack"(%p) {columns = 100 : i64, rows = 63 : i64} : (tensor<3x64x48xf32>) -> tensor<63x100xf32>
  return %w : tensor<63x100xf32>
}

// -----

// Sums need a group of their own.
func.func @f(%p: tensor<2x16x48x4xi8>) -> tensor<64x96xi8> {
  // expected-error@+1 {{tw.unpack: [U1] panels are a static}}
  %w = "tw.unpack"(%p) {columns = 96 : i64, rows = 64 : i64, lhs_offset = 128 : i64} : (tensor<2x16x48x4xi8>) -> tensor<64x96xi8>
  return %w : tensor<64x96xi8>
}

// -----

// Sums are for i8 in groups of four.
func.func @f(%p: tensor<2x17x48x2xbf16>) -> tensor<32x96xbf16> {
  // expected-error@+1 {{tw.unpack: [U1] panels are a static}}
  %w = "tw.unpack"(%p) {columns = 96 : i64, rows = 32 : i64, lhs_offset = 128 : i64} : (tensor<2x17x48x2xbf16>) -> tensor<32x96xbf16>
  return %w : tensor<32x96xbf16>
}
