// RUN: tilewright-opt %s -p 'tw-select-schedule{target=cpu:x86-64-v4 schedules=%S/Inputs/schedules.json}' | filecheck %s
// RUN: tilewright-opt %s -p 'tw-select-schedule{target=cpu:x86-64-v3 schedules=%S/Inputs/schedules.json}' | filecheck %s --check-prefix=OTHER
// RUN: not --code 2 tilewright-opt %s -p 'tw-select-schedule{target=cpu:icelake-server schedules=%S/Inputs/schedules.json}' 2>&1 | filecheck %s --check-prefix=ILLEGAL
// RUN: not --code 2 tilewright-opt %s -p 'tw-select-schedule{target=cpu:znver4 schedules=%S/Inputs/schedules.json}' 2>&1 | filecheck %s --check-prefix=MISFIT
// RUN: not --code 2 tilewright-opt %s -p 'tw-select-schedule{schedules=%S/Inputs/nothing.json}' 2>&1 | filecheck %s --check-prefix=MISSING

// An entry for the kernel and the target overrides the rule, whatever the kernel is called.
// CHECK-LABEL: func.func private @linear
// CHECK-SAME: tw.schedule = {instruction = "fma", k_block = 0 : i64, kind = "matmul", mb = 128 : i64, mr = 4 : i64, nr = 32 : i64
// CHECK-SAME: source = "tuned:d0=128"
// Entries for other targets are ignored.
// OTHER-LABEL: func.func private @linear
// OTHER-SAME: source = "rule:dense"
func.func private @linear(%x: tensor<?x384xf32, "d0, 384">, %w: tensor<384x384xf32> {tw.weight}) -> tensor<?x384xf32, "d0, 384"> attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 4096>}} {
  %0 = "tw.matmul"(%x, %w) : (tensor<?x384xf32, "d0, 384">, tensor<384x384xf32>) -> tensor<?x384xf32, "d0, 384">
  return %0 : tensor<?x384xf32, "d0, 384">
}

// An entry that says that the rule was best, and a kernel without an entry.
// CHECK-LABEL: func.func private @kept
// CHECK-SAME: source = "rule:dense"
func.func private @kept(%x: tensor<?x64xf32, "d0, 64">, %w: tensor<64x64xf32> {tw.weight}) -> tensor<?x64xf32, "d0, 64"> attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 4096>}} {
  %0 = "tw.matmul"(%x, %w) : (tensor<?x64xf32, "d0, 64">, tensor<64x64xf32>) -> tensor<?x64xf32, "d0, 64">
  return %0 : tensor<?x64xf32, "d0, 64">
}
// CHECK-LABEL: func.func private @unknown
// CHECK-SAME: source = "rule:dense"
func.func private @unknown(%x: tensor<?x32xf32, "d0, 32">, %w: tensor<32x64xf32> {tw.weight}) -> tensor<?x64xf32, "d0, 64"> attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 4096>}} {
  %0 = "tw.matmul"(%x, %w) : (tensor<?x32xf32, "d0, 32">, tensor<32x64xf32>) -> tensor<?x64xf32, "d0, 64">
  return %0 : tensor<?x64xf32, "d0, 64">
}

// ILLEGAL: schedules.json: error: the schedule of linear (d0 x 384 x 384), {{[0-9a-f]+}} on cpu:icelake-server is not legal
// ILLEGAL: why: a tile of 16 x 48 needs 52 vector registers
// ILLEGAL: fix: remove the entry, or tune the kernel again
// MISFIT: the schedule of linear (d0 x 384 x 384), {{[0-9a-f]+}} on cpu:znver4 does not fit its kernel
// MISFIT: why: rhs = 'plain', the kernel needs 'packed'
// MISSING: nothing.json: error: the schedules cannot be read
