// Windows, soft caps, sinks, the second result and changed scores: what each adds to the kernel.

// RUN: tilewright-opt %s -p 'tw-lower-templates{target=cpu:x86-64-v4}' | filecheck %s --enable-var-scope

// The range of keys begins with the first that the window shows; both limits are looked at where not all lanes see all keys, only.
// CHECK-LABEL: func.func @window(
// CHECK-COUNT-2: arith.maxsi
// CHECK: scf.if %{{.*}} -> (vector<16xf32>
// CHECK: } else {
// CHECK: arith.cmpi sle, %{{.*}} : vector<16xi32>
// CHECK: arith.cmpi sge, %{{.*}} : vector<16xi32>
func.func private @window(%q: tensor<2x4x?x16xf32, "2, 4, d0, 16">) -> tensor<2x4x?x16xf32, "2, 4, d0, 16">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 512>}, tw.schedule = {kind = "attention", vectors = 2 : i64, rows = 8 : i64, block = 256 : i64, source = "test"}} {
  %0 = "tw.attention"(%q, %q, %q) {scale = 0.25 : f64, causal = true, window = 64 : i64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0>}
      : (tensor<2x4x?x16xf32, "2, 4, d0, 16">, tensor<2x4x?x16xf32, "2, 4, d0, 16">, tensor<2x4x?x16xf32, "2, 4, d0, 16">) -> tensor<2x4x?x16xf32, "2, 4, d0, 16">
  return %0 : tensor<2x4x?x16xf32, "2, 4, d0, 16">
}

// One head's sink is the first maximum of its rows. The second result is stored lane by lane.
// CHECK-LABEL: func.func @sinks(
// CHECK-SAME: %{{[a-z0-9]+}}: memref<f32> {{[^,]*}}, %[[SINKS:[a-z0-9]+]]: memref<f32> {{[^,]*}}, %{{[a-z0-9]+}}: memref<f32> {{[^,]*}}, %[[STATISTICS:[a-z0-9]+]]: memref<f32>
// CHECK: %[[LOGITS:.*]] = memref.reinterpret_cast %[[SINKS]]
// CHECK: %[[ROWS:.*]] = memref.reinterpret_cast %[[STATISTICS]]
// CHECK: %[[SINK:.*]] = memref.load %[[LOGITS]]
// CHECK: vector.broadcast %[[SINK]] : f32 to vector<16xf32>
// CHECK: memref.store %{{.*}}, %[[ROWS]][
func.func private @sinks(%q: tensor<2x4x?x16xf32, "2, 4, d0, 16">, %s: tensor<4xf32>) -> (tensor<2x4x?x16xf32, "2, 4, d0, 16">, tensor<2x4x?xf32, "2, 4, d0">)
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 512>}, tw.schedule = {kind = "attention", vectors = 2 : i64, rows = 8 : i64, block = 256 : i64, source = "test"}} {
  %0:2 = "tw.attention"(%q, %q, %q, %s) {scale = 0.25 : f64, logsumexp = true, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 1, 0, 0, 0, 0>}
      : (tensor<2x4x?x16xf32, "2, 4, d0, 16">, tensor<2x4x?x16xf32, "2, 4, d0, 16">, tensor<2x4x?x16xf32, "2, 4, d0, 16">, tensor<4xf32>)
      -> (tensor<2x4x?x16xf32, "2, 4, d0, 16">, tensor<2x4x?xf32, "2, 4, d0">)
  return %0#0, %0#1 : tensor<2x4x?x16xf32, "2, 4, d0, 16">, tensor<2x4x?xf32, "2, 4, d0">
}

// A polynomial where all scores of a tile are far below the cap, else a quotient.
// CHECK-LABEL: func.func @softcap(
// CHECK: scf.if %{{.*}} -> (vector<16xf32>
// CHECK: llvm.call_intrinsic "llvm.x86.avx512.rcp14.ps.512"
// CHECK: } else {
// CHECK-NOT: rcp14
// CHECK: }
func.func private @softcap(%q: tensor<2x4x?x16xf32, "2, 4, d0, 16">) -> tensor<2x4x?x16xf32, "2, 4, d0, 16">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 512>}, tw.schedule = {kind = "attention", vectors = 2 : i64, rows = 8 : i64, block = 256 : i64, source = "test"}} {
  %0 = "tw.attention"(%q, %q, %q) {scale = 0.25 : f64, softcap = 30.0 : f64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0>}
      : (tensor<2x4x?x16xf32, "2, 4, d0, 16">, tensor<2x4x?x16xf32, "2, 4, d0, 16">, tensor<2x4x?x16xf32, "2, 4, d0, 16">) -> tensor<2x4x?x16xf32, "2, 4, d0, 16">
  return %0 : tensor<2x4x?x16xf32, "2, 4, d0, 16">
}

// Indices are vectors of i32 as far as intervals allow: the distance is, its product with 2^40 is not.
// CHECK-LABEL: func.func @region(
// CHECK: %[[DISTANCE:.*]] = arith.subi %{{.*}} : vector<16xi32>
// CHECK: arith.sitofp %[[DISTANCE]] : vector<16xi32> to vector<16xf32>
// CHECK: arith.mulf %{{.*}} fastmath<contract> : vector<16xf32>
// CHECK: arith.extsi %[[DISTANCE]] : vector<16xi32> to vector<16xi64>
// CHECK: arith.muli %{{.*}} : vector<16xi64>
func.func private @region(%q: tensor<2x4x?x16xf32, "2, 4, d0, 16">, %slopes: tensor<4x1x1xf32>) -> tensor<2x4x?x16xf32, "2, 4, d0, 16">
    attributes {tw.kernel, tw.symbols = {d0 = array<i64: 1, 512>}, tw.schedule = {kind = "attention", vectors = 2 : i64, rows = 8 : i64, block = 256 : i64, source = "test"}} {
  %0 = "tw.attention"(%q, %q, %q, %slopes) ({
  ^bb0(%score: f32, %b: i64, %h: i64, %i: i64, %j: i64, %slope: f32):
    %distance = arith.subi %i, %j : i64
    %float = arith.sitofp %distance : i64 to f32
    %bias = arith.mulf %slope, %float : f32
    %changed = arith.subf %score, %bias : f32
    %large = arith.constant 1099511627776 : i64
    %wide = arith.muli %distance, %large : i64
    %least = arith.constant -2199023255552 : i64
    %near = arith.cmpi sgt, %wide, %least : i64
    "tw.yield"(%changed, %near) : (f32, i1) -> ()
  }) {scale = 0.25 : f64, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1>}
      : (tensor<2x4x?x16xf32, "2, 4, d0, 16">, tensor<2x4x?x16xf32, "2, 4, d0, 16">, tensor<2x4x?x16xf32, "2, 4, d0, 16">, tensor<4x1x1xf32>) -> tensor<2x4x?x16xf32, "2, 4, d0, 16">
  return %0 : tensor<2x4x?x16xf32, "2, 4, d0, 16">
}
