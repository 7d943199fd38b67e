// RUN: tilewright-opt %s -p 'tw-select-schedule{target=cpu:x86-64-v4}' | filecheck %s --check-prefix=AVX512
// RUN: tilewright-opt %s -p 'tw-select-schedule{target=cpu:x86-64-v3}' | filecheck %s --check-prefix=AVX2
// RUN: not --code 2 tilewright-opt %s -p 'tw-select-schedule{target=cpu:znver55}' 2>&1 | filecheck %s --check-prefix=UNKNOWN

// Tiles follow from the vector width and the number of registers; a weight is packed.
// AVX512-LABEL: func.func private @linear
// AVX512-SAME: tw.schedule = {{{.*}}kind = "matmul"
// AVX512-SAME: nr = 48
// AVX512-SAME: rhs = "packed"
// AVX2-LABEL: func.func private @linear
// AVX2-SAME: tw.schedule = {{{.*}}kind = "matmul"
// AVX2-SAME: rhs = "packed"
func.func private @linear(%x: tensor<?x384xf32, "d0, 384">, %w: tensor<384x384xf32> {tw.weight}) -> tensor<?x384xf32, "d0, 384"> attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 4096>}} {
  %0 = "tw.matmul"(%x, %w) : (tensor<?x384xf32, "d0, 384">, tensor<384x384xf32>) -> tensor<?x384xf32, "d0, 384">
  return %0 : tensor<?x384xf32, "d0, 384">
}

// AVX512-LABEL: func.func private @rows
// AVX512-SAME: tw.schedule = {kind = "rows"
func.func private @rows(%x: tensor<?x384xf32, "d0, 384">) -> tensor<?x384xf32, "d0, 384"> attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 4096>}} {
  %0 = "tw.softmax"(%x) {dim = 1 : i64} : (tensor<?x384xf32, "d0, 384">) -> tensor<?x384xf32, "d0, 384">
  return %0 : tensor<?x384xf32, "d0, 384">
}

// A schedule that is there stays.
// AVX512-LABEL: func.func private @by_hand
// AVX512-SAME: source = "user"
func.func private @by_hand(%x: tensor<?x384xf32, "d0, 384">) -> tensor<?x384xf32, "d0, 384"> attributes {tw.kernel, tw.schedule = {kind = "rows", source = "user"}, tw.symbols = {d0 = array<i64: 1, 4096>}} {
  %0 = "tw.softmax"(%x) {dim = 1 : i64} : (tensor<?x384xf32, "d0, 384">) -> tensor<?x384xf32, "d0, 384">
  return %0 : tensor<?x384xf32, "d0, 384">
}

// UNKNOWN: cpu:znver55
// UNKNOWN: znver5
