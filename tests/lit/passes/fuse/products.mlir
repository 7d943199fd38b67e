// RUN: tilewright-opt %s -p 'tw-fuse' | filecheck %s
// RUN: tilewright-opt %s -p 'tw-fuse{max-ops=2}' | filecheck %s --check-prefix FEW

// A gated product: matmuls of one left side that meet in a pointwise op are one kernel, whatever is done to each before.
// CHECK-LABEL: func.func @gated
func.func @gated(%x: tensor<?x64xf32, "s0, 64">, %b: tensor<48xf32>) -> tensor<?x48xf32, "s0, 48"> attributes {tw.symbols = {s0 = array<i64: 1, 64>}} {
  // CHECK: %[[G:.*]] = "tw.weight"() {name = "gate"}
  // CHECK: %[[U:.*]] = "tw.weight"() {name = "up"}
  // CHECK: %[[K:.*]] = "tw.kernel"(%{{.*}}, %[[G]], %{{.*}}, %[[U]]) ({
  // CHECK:   %[[M:.*]] = "tw.matmul"
  // CHECK:   %[[B:.*]] = "tw.pointwise"(%[[M]]
  // CHECK:   %[[A:.*]] = "tw.pointwise"(%[[B]]
  // CHECK:   %[[N:.*]] = "tw.matmul"
  // CHECK:   "tw.pointwise"(%[[A]], %[[N]])
  // CHECK-NOT: "tw.kernel"
  // CHECK: return %[[K]]
  // FEW-LABEL: func.func @gated
  // FEW-COUNT-3: "tw.kernel"
  %g = "tw.weight"() {name = "gate"} : () -> tensor<64x48xf32>
  %u = "tw.weight"() {name = "up"} : () -> tensor<64x48xf32>
  %0 = "tw.matmul"(%x, %g) : (tensor<?x64xf32, "s0, 64">, tensor<64x48xf32>) -> tensor<?x48xf32, "s0, 48">
  %1 = "tw.pointwise"(%0, %b) ({
  ^bb0(%a: f32, %c: f32):
    %r = arith.addf %a, %c : f32
    "tw.yield"(%r) : (f32) -> ()
  }) : (tensor<?x48xf32, "s0, 48">, tensor<48xf32>) -> tensor<?x48xf32, "s0, 48">
  %2 = "tw.pointwise"(%1) ({
  ^bb0(%a: f32):
    %r = math.tanh %a : f32
    "tw.yield"(%r) : (f32) -> ()
  }) : (tensor<?x48xf32, "s0, 48">) -> tensor<?x48xf32, "s0, 48">
  %3 = "tw.matmul"(%x, %u) : (tensor<?x64xf32, "s0, 64">, tensor<64x48xf32>) -> tensor<?x48xf32, "s0, 48">
  %4 = "tw.pointwise"(%2, %3) ({
  ^bb0(%a: f32, %c: f32):
    %r = arith.mulf %a, %c : f32
    "tw.yield"(%r) : (f32) -> ()
  }) : (tensor<?x48xf32, "s0, 48">, tensor<?x48xf32, "s0, 48">) -> tensor<?x48xf32, "s0, 48">
  return %4 : tensor<?x48xf32, "s0, 48">
}

// Products of different left sides do not meet in one tile: the second reads the first.
// CHECK-LABEL: func.func @different_left_sides
func.func @different_left_sides(%x: tensor<8x64xf32>, %y: tensor<8x64xf32>, %w: tensor<64x48xf32>) -> tensor<8x48xf32> {
  // CHECK: %[[A:.*]] = "tw.kernel"
  // CHECK: "tw.kernel"({{.*}}%[[A]]{{.*}})
  %0 = "tw.matmul"(%x, %w) : (tensor<8x64xf32>, tensor<64x48xf32>) -> tensor<8x48xf32>
  %1 = "tw.matmul"(%y, %w) : (tensor<8x64xf32>, tensor<64x48xf32>) -> tensor<8x48xf32>
  %2 = "tw.pointwise"(%0, %1) ({
  ^bb0(%a: f32, %c: f32):
    %r = arith.mulf %a, %c : f32
    "tw.yield"(%r) : (f32) -> ()
  }) : (tensor<8x48xf32>, tensor<8x48xf32>) -> tensor<8x48xf32>
  return %2 : tensor<8x48xf32>
}

// Nor do those of a weight, which is packed, and of a value, which is not.
// CHECK-LABEL: func.func @weight_and_value
func.func @weight_and_value(%x: tensor<8x64xf32>, %v: tensor<64x48xf32>) -> tensor<8x48xf32> {
  // CHECK-COUNT-2: "tw.kernel"
  %w = "tw.weight"() {name = "w"} : () -> tensor<64x48xf32>
  %0 = "tw.matmul"(%x, %w) : (tensor<8x64xf32>, tensor<64x48xf32>) -> tensor<8x48xf32>
  %1 = "tw.matmul"(%x, %v) : (tensor<8x64xf32>, tensor<64x48xf32>) -> tensor<8x48xf32>
  %2 = "tw.pointwise"(%0, %1) ({
  ^bb0(%a: f32, %c: f32):
    %r = arith.mulf %a, %c : f32
    "tw.yield"(%r) : (f32) -> ()
  }) : (tensor<8x48xf32>, tensor<8x48xf32>) -> tensor<8x48xf32>
  return %2 : tensor<8x48xf32>
}

// A kernel whose epilogue has no vector code is lowered as loops: no gate.
// CHECK-LABEL: func.func @remainder
func.func @remainder(%x: tensor<8x64xf32>, %v: tensor<64x48xf32>, %w: tensor<64x48xf32>) -> tensor<8x48xf32> {
  // CHECK-COUNT-2: "tw.kernel"
  %0 = "tw.matmul"(%x, %w) : (tensor<8x64xf32>, tensor<64x48xf32>) -> tensor<8x48xf32>
  %1 = "tw.matmul"(%x, %v) : (tensor<8x64xf32>, tensor<64x48xf32>) -> tensor<8x48xf32>
  %2 = "tw.pointwise"(%0, %1) ({
  ^bb0(%a: f32, %c: f32):
    %r = arith.remf %a, %c : f32
    "tw.yield"(%r) : (f32) -> ()
  }) : (tensor<8x48xf32>, tensor<8x48xf32>) -> tensor<8x48xf32>
  return %2 : tensor<8x48xf32>
}

// Matmuls of one left side that compute the same from other weights are one kernel, each with its own epilogue and result.
// CHECK-LABEL: func.func @queries_keys_values
func.func @queries_keys_values(%x: tensor<8x64xf32>, %b: tensor<48xf32>, %c: tensor<48xf32>) -> (tensor<8x48xf32>, tensor<8x48xf32>, tensor<8x96xf32>) {
  // CHECK: %[[Q:.*]] = "tw.weight"() {name = "q"}
  // CHECK: %[[K:.*]] = "tw.weight"() {name = "k"}
  // CHECK: %[[QK:.*]]:2 = "tw.kernel"(%{{.*}}, %[[Q]], %[[K]], %{{.*}}, %{{.*}}) ({
  // CHECK:   %[[QM:.*]] = "tw.matmul"
  // CHECK:   %[[KM:.*]] = "tw.matmul"
  // CHECK:   %[[QB:.*]] = "tw.pointwise"(%[[QM]]
  // CHECK:   %[[KB:.*]] = "tw.pointwise"(%[[KM]]
  // CHECK:   "tw.yield"(%[[QB]], %[[KB]])
  // CHECK: %[[V:.*]] = "tw.kernel"
  // CHECK-NOT: "tw.kernel"
  // CHECK: return %[[QK]]#0, %[[QK]]#1, %[[V]]
  // FEW-LABEL: func.func @queries_keys_values
  // FEW-COUNT-3: "tw.kernel"
  %q = "tw.weight"() {name = "q"} : () -> tensor<64x48xf32>
  %k = "tw.weight"() {name = "k"} : () -> tensor<64x48xf32>
  %v = "tw.weight"() {name = "v"} : () -> tensor<64x96xf32>
  %0 = "tw.matmul"(%x, %q) : (tensor<8x64xf32>, tensor<64x48xf32>) -> tensor<8x48xf32>
  %1 = "tw.matmul"(%x, %v) : (tensor<8x64xf32>, tensor<64x96xf32>) -> tensor<8x96xf32>
  %2 = "tw.matmul"(%x, %k) : (tensor<8x64xf32>, tensor<64x48xf32>) -> tensor<8x48xf32>
  %3 = "tw.pointwise"(%0, %b) ({
  ^bb0(%a: f32, %d: f32):
    %r = arith.addf %a, %d : f32
    "tw.yield"(%r) : (f32) -> ()
  }) : (tensor<8x48xf32>, tensor<48xf32>) -> tensor<8x48xf32>
  %4 = "tw.pointwise"(%2, %c) ({
  ^bb0(%a: f32, %d: f32):
    %r = arith.addf %a, %d : f32
    "tw.yield"(%r) : (f32) -> ()
  }) : (tensor<8x48xf32>, tensor<48xf32>) -> tensor<8x48xf32>
  return %3, %4, %1 : tensor<8x48xf32>, tensor<8x48xf32>, tensor<8x96xf32>
}

// Another epilogue is another kernel.
// CHECK-LABEL: func.func @another_epilogue
func.func @another_epilogue(%x: tensor<8x64xf32>) -> (tensor<8x48xf32>, tensor<8x48xf32>) {
  // CHECK-COUNT-2: "tw.kernel"
  %q = "tw.weight"() {name = "q"} : () -> tensor<64x48xf32>
  %k = "tw.weight"() {name = "k"} : () -> tensor<64x48xf32>
  %0 = "tw.matmul"(%x, %q) : (tensor<8x64xf32>, tensor<64x48xf32>) -> tensor<8x48xf32>
  %1 = "tw.matmul"(%x, %k) : (tensor<8x64xf32>, tensor<64x48xf32>) -> tensor<8x48xf32>
  %2 = "tw.pointwise"(%0) ({
  ^bb0(%a: f32):
    %r = arith.negf %a : f32
    "tw.yield"(%r) : (f32) -> ()
  }) : (tensor<8x48xf32>) -> tensor<8x48xf32>
  %3 = "tw.pointwise"(%1) ({
  ^bb0(%a: f32):
    %r = math.absf %a : f32
    "tw.yield"(%r) : (f32) -> ()
  }) : (tensor<8x48xf32>) -> tensor<8x48xf32>
  return %2, %3 : tensor<8x48xf32>, tensor<8x48xf32>
}

// The result of the first is the right side of the second: they stay apart.
// CHECK-LABEL: func.func @one_feeds_the_other
func.func @one_feeds_the_other(%x: tensor<48x48xf32>, %w: tensor<48x48xf32>) -> (tensor<48x48xf32>, tensor<48x48xf32>) {
  // CHECK: %[[A:.*]] = "tw.kernel"
  // CHECK: "tw.kernel"({{.*}}%[[A]])
  %0 = "tw.matmul"(%x, %w) : (tensor<48x48xf32>, tensor<48x48xf32>) -> tensor<48x48xf32>
  %1 = "tw.matmul"(%x, %0) : (tensor<48x48xf32>, tensor<48x48xf32>) -> tensor<48x48xf32>
  return %0, %1 : tensor<48x48xf32>, tensor<48x48xf32>
}

// The second adds what another kernel computes from the first: one kernel of both would wait for itself.
// CHECK-LABEL: func.func @cycle
func.func @cycle(%x: tensor<8x48xf32>, %g: tensor<48xf32>, %r: tensor<8x48xf32>) -> (tensor<8x48xf32>, tensor<8x48xf32>) {
  // CHECK: %[[A:.*]] = "tw.kernel"
  // CHECK: %[[N:.*]] = "tw.kernel"(%[[A]]
  // CHECK: %[[B:.*]] = "tw.kernel"({{.*}}%[[N]])
  // CHECK: return %[[A]], %[[B]]
  %q = "tw.weight"() {name = "q"} : () -> tensor<48x48xf32>
  %k = "tw.weight"() {name = "k"} : () -> tensor<48x48xf32>
  %0 = "tw.matmul"(%x, %q) : (tensor<8x48xf32>, tensor<48x48xf32>) -> tensor<8x48xf32>
  %1 = "tw.pointwise"(%0, %r) ({
  ^bb0(%a: f32, %d: f32):
    %s = arith.addf %a, %d : f32
    "tw.yield"(%s) : (f32) -> ()
  }) : (tensor<8x48xf32>, tensor<8x48xf32>) -> tensor<8x48xf32>
  %2 = "tw.rms_norm"(%1, %g) {eps = 1.0e-5 : f64} : (tensor<8x48xf32>, tensor<48xf32>) -> tensor<8x48xf32>
  %3 = "tw.matmul"(%x, %k) : (tensor<8x48xf32>, tensor<48x48xf32>) -> tensor<8x48xf32>
  %4 = "tw.pointwise"(%3, %2) ({
  ^bb0(%a: f32, %d: f32):
    %s = arith.addf %a, %d : f32
    "tw.yield"(%s) : (f32) -> ()
  }) : (tensor<8x48xf32>, tensor<8x48xf32>) -> tensor<8x48xf32>
  return %1, %4 : tensor<8x48xf32>, tensor<8x48xf32>
}
