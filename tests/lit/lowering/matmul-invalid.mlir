// What the matmul template refuses, and how it says so.

// RUN: tilewright-opt %s --split-input-file --verify-diagnostics -p 'tw-lower-templates{target=cpu:x86-64-v3}'

// expected-error@+1 {{the schedule of kernel @too_large is not legal}}
func.func private @too_large(%x: tensor<4x8xf32>, %w: tensor<8x48xf32>) -> tensor<4x48xf32>
    attributes {tw.kernel, tw.symbols = {}, tw.schedule = {kind = "matmul", mr = 8 : i64, nr = 48 : i64, rhs = "plain", source = "test"}} {
  %0 = "tw.matmul"(%x, %w) : (tensor<4x8xf32>, tensor<8x48xf32>) -> tensor<4x48xf32>
  return %0 : tensor<4x48xf32>
}

// -----

// expected-error@+1 {{the schedule of kernel @other_panels does not fit it}}
func.func private @other_panels(%x: tensor<4x8xf32>, %w: tensor<2x8x24xf32>) -> tensor<4x48xf32>
    attributes {tw.kernel, tw.symbols = {}, tw.schedule = {kind = "matmul", mr = 4 : i64, nr = 16 : i64, rhs = "packed", source = "test"}} {
  %0 = "tw.unpack"(%w) {columns = 48 : i64} : (tensor<2x8x24xf32>) -> tensor<8x48xf32>
  %1 = "tw.matmul"(%x, %0) : (tensor<4x8xf32>, tensor<8x48xf32>) -> tensor<4x48xf32>
  return %1 : tensor<4x48xf32>
}

// -----

func.func private @reduced(%x: tensor<4x8xf32>, %w: tensor<8x48xf32>) -> tensor<4x1xf32>
    attributes {tw.kernel, tw.symbols = {}, tw.schedule = {kind = "matmul", mr = 4 : i64, nr = 16 : i64, rhs = "plain", source = "test"}} {
  %0 = "tw.matmul"(%x, %w) : (tensor<4x8xf32>, tensor<8x48xf32>) -> tensor<4x48xf32>
  // expected-error@+1 {{tw.reduce does not fit into a matmul kernel}}
  %1 = "tw.reduce"(%0) {dims = array<i64: 1>, kind = "add", keep_dims = true} : (tensor<4x48xf32>) -> tensor<4x1xf32>
  return %1 : tensor<4x1xf32>
}

// -----

// expected-error@+1 {{the schedule of kernel @other_types does not fit it}}
func.func private @other_types(%x: tensor<4x8xbf16>, %w: tensor<8x48xbf16>) -> tensor<4x48xf32>
    attributes {tw.kernel, tw.symbols = {}, tw.schedule = {kind = "matmul", mr = 4 : i64, nr = 16 : i64, rhs = "plain", instruction = "vpmaddwd", source = "test"}} {
  %0 = "tw.matmul"(%x, %w) {accumulate = f32} : (tensor<4x8xbf16>, tensor<8x48xbf16>) -> tensor<4x48xf32>
  return %0 : tensor<4x48xf32>
}

// -----

// expected-error@+1 {{the schedule of kernel @no_instruction is not legal}}
func.func private @no_instruction(%x: tensor<4x8xbf16>, %w: tensor<8x48xbf16>) -> tensor<4x48xf32>
    attributes {tw.kernel, tw.symbols = {}, tw.schedule = {kind = "matmul", mr = 4 : i64, nr = 16 : i64, rhs = "plain", instruction = "vdpbf16ps", source = "test"}} {
  %0 = "tw.matmul"(%x, %w) {accumulate = f32} : (tensor<4x8xbf16>, tensor<8x48xbf16>) -> tensor<4x48xf32>
  return %0 : tensor<4x48xf32>
}

// -----

// Panels without groups, as no instruction for bf16 reads them.
// expected-error@+1 {{the schedule of kernel @other_groups does not fit it}}
func.func private @other_groups(%x: tensor<4x8xbf16>, %w: tensor<3x8x16xbf16>) -> tensor<4x48xf32>
    attributes {tw.kernel, tw.symbols = {}, tw.schedule = {kind = "matmul", mr = 4 : i64, nr = 16 : i64, rhs = "packed", source = "test"}} {
  %0 = "tw.unpack"(%w) {columns = 48 : i64} : (tensor<3x8x16xbf16>) -> tensor<8x48xbf16>
  %1 = "tw.matmul"(%x, %0) {accumulate = f32} : (tensor<4x8xbf16>, tensor<8x48xbf16>) -> tensor<4x48xf32>
  return %1 : tensor<4x48xf32>
}

// -----

// expected-error@+1 {{the schedule of kernel @split_group does not fit it}}
func.func private @split_group(%x: tensor<4x8xbf16>, %w: tensor<8x48xbf16>) -> tensor<4x48xf32>
    attributes {tw.kernel, tw.symbols = {}, tw.schedule = {kind = "matmul", mr = 4 : i64, nr = 16 : i64, k_block = 3 : i64, rhs = "plain", source = "test"}} {
  %0 = "tw.matmul"(%x, %w) {accumulate = f32} : (tensor<4x8xbf16>, tensor<8x48xbf16>) -> tensor<4x48xf32>
  return %0 : tensor<4x48xf32>
}
