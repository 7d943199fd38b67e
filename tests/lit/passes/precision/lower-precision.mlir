// RUN: tilewright-opt %s -p 'tw-lower-precision{matmul=bf16}' | filecheck %s
// RUN: tilewright-opt %s -p 'tw-lower-precision{matmul=f32}' | filecheck %s --check-prefix=SAME

// The weight is cast when it is stored, the input by an op, once for both matmuls.
// SAME-NOT: accumulate
// CHECK-LABEL: func.func @shared_input
// CHECK-SAME: tw.lowered_precision = [{dtype = "bf16", op = "tw.matmul", source = "-:{{[0-9]+}}:{{[0-9]+}}"}, {dtype = "bf16"
// CHECK: %[[X:.*]] = "tw.pointwise"(%arg0) ({
// CHECK: arith.truncf %{{.*}} : f32 to bf16
// CHECK: %[[W:.*]] = "tw.weight"() {layout = {dtype = "bf16", kind = "plain"}, name = "w"} : () -> tensor<6x8xbf16>
// CHECK: %[[Y:.*]] = "tw.matmul"(%[[X]], %[[W]]) {accumulate = f32, transpose_rhs = true} : (tensor<?x8xbf16, "s0, 8">, tensor<6x8xbf16>) -> tensor<?x6xf32, "s0, 6">
// CHECK: %[[V:.*]] = "tw.weight"() {layout = {dtype = "bf16", kind = "plain"}, name = "v"}
// CHECK: %[[Z:.*]] = "tw.matmul"(%[[X]], %[[V]]) {accumulate = f32}
// CHECK-NEXT: return %[[Y]], %[[Z]]
func.func @shared_input(%x: tensor<?x8xf32, "s0, 8">) -> (tensor<?x6xf32, "s0, 6">, tensor<?x4xf32, "s0, 4">) attributes {tw.symbols = {s0 = array<i64: 1, 64>}} {
  %w = "tw.weight"() {name = "w"} : () -> tensor<6x8xf32>
  %v = "tw.weight"() {name = "v"} : () -> tensor<8x4xf32>
  %y = "tw.matmul"(%x, %w) {transpose_rhs = true} : (tensor<?x8xf32, "s0, 8">, tensor<6x8xf32>) -> tensor<?x6xf32, "s0, 6">
  %z = "tw.matmul"(%x, %v) : (tensor<?x8xf32, "s0, 8">, tensor<8x4xf32>) -> tensor<?x4xf32, "s0, 4">
  return %y, %z : tensor<?x6xf32, "s0, 6">, tensor<?x4xf32, "s0, 4">
}

// Movement of a weight is that of the cast weight; a weight that something else needs too is kept in both forms.
// CHECK-LABEL: func.func @moved_weight
// CHECK: %[[PLAIN:.*]] = "tw.weight"() {name = "w"} : () -> tensor<12x8xf32>
// CHECK: %[[W:.*]] = "tw.weight"() {layout = {dtype = "bf16", kind = "plain"}, name = "w"} : () -> tensor<12x8xbf16>
// CHECK: %[[S:.*]] = "tw.slice"(%[[W]]) {{.*}} -> tensor<6x8xbf16>
// CHECK: "tw.matmul"(%{{.*}}, %[[S]])
// CHECK: return %{{.*}}, %[[PLAIN]]
func.func @moved_weight(%x: tensor<4x8xf32>) -> (tensor<4x6xf32>, tensor<12x8xf32>) {
  %w = "tw.weight"() {name = "w"} : () -> tensor<12x8xf32>
  %s = "tw.slice"(%w) {starts = "6, 0", sizes = "6, 8", steps = array<i64: 1, 1>} : (tensor<12x8xf32>) -> tensor<6x8xf32>
  %y = "tw.matmul"(%x, %s) {transpose_rhs = true} : (tensor<4x8xf32>, tensor<6x8xf32>) -> tensor<4x6xf32>
  return %y, %w : tensor<4x6xf32>, tensor<12x8xf32>
}

// A producer whose kernel can store bf16 is given the cast, behind the movement; an attention is not.
// CHECK-LABEL: func.func @producers
// CHECK: %[[N:.*]] = "tw.rms_norm"(%arg0
// CHECK: %[[C:.*]] = "tw.pointwise"(%[[N]])
// CHECK: %[[R:.*]] = "tw.reshape"(%[[C]]) {shape = "8, 16"} : (tensor<2x4x16xbf16>) -> tensor<8x16xbf16>
// CHECK: "tw.matmul"(%[[R]]
// CHECK: %[[A:.*]] = "tw.attention"
// CHECK: %[[T:.*]] = "tw.transpose"(%[[A]]) {{.*}} -> tensor<1x4x2x16xf32>
// CHECK: %[[D:.*]] = "tw.pointwise"(%[[T]])
// CHECK: "tw.matmul"(%[[D]]
func.func @producers(%x: tensor<2x4x16xf32>, %q: tensor<1x2x4x16xf32>) -> (tensor<8x6xf32>, tensor<1x4x2x6xf32>) {
  %g = "tw.weight"() {name = "g"} : () -> tensor<16xf32>
  %w = "tw.weight"() {name = "w"} : () -> tensor<16x6xf32>
  %n = "tw.rms_norm"(%x, %g) {eps = 1.0e-5 : f64} : (tensor<2x4x16xf32>, tensor<16xf32>) -> tensor<2x4x16xf32>
  %r = "tw.reshape"(%n) {shape = "8, 16"} : (tensor<2x4x16xf32>) -> tensor<8x16xf32>
  %y = "tw.matmul"(%r, %w) : (tensor<8x16xf32>, tensor<16x6xf32>) -> tensor<8x6xf32>
  %a = "tw.attention"(%q, %q, %q) {operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0>, scale = 0.25 : f64} : (tensor<1x2x4x16xf32>, tensor<1x2x4x16xf32>, tensor<1x2x4x16xf32>) -> tensor<1x2x4x16xf32>
  %t = "tw.transpose"(%a) {permutation = array<i64: 0, 2, 1, 3>} : (tensor<1x2x4x16xf32>) -> tensor<1x4x2x16xf32>
  %z = "tw.matmul"(%t, %w) : (tensor<1x4x2x16xf32>, tensor<16x6xf32>) -> tensor<1x4x2x6xf32>
  return %y, %z : tensor<8x6xf32>, tensor<1x4x2x6xf32>
}

// bf16 that was widened needs no rounding. Products over k = 1 and other element types stay.
// CHECK-LABEL: func.func @others
// CHECK: "tw.matmul"(%arg0, %{{.*}}) {accumulate = f32}
// CHECK: "tw.matmul"(%arg1, %arg2) : (tensor<4x1xf32>, tensor<1x6xf32>)
// CHECK: "tw.matmul"(%arg3, %arg3) {transpose_rhs = true} : (tensor<4x8xf64>, tensor<4x8xf64>)
func.func @others(%b: tensor<4x8xbf16>, %p: tensor<4x1xf32>, %f: tensor<1x6xf32>, %d: tensor<4x8xf64>) -> (tensor<4x8xf32>, tensor<4x6xf32>, tensor<4x4xf64>) {
  %x = "tw.pointwise"(%b) ({
  ^bb0(%a: bf16):
    %r = arith.extf %a : bf16 to f32
    "tw.yield"(%r) : (f32) -> ()
  }) : (tensor<4x8xbf16>) -> tensor<4x8xf32>
  %w = "tw.weight"() {name = "w"} : () -> tensor<8x8xf32>
  %0 = "tw.matmul"(%x, %w) : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
  %1 = "tw.matmul"(%p, %f) : (tensor<4x1xf32>, tensor<1x6xf32>) -> tensor<4x6xf32>
  %2 = "tw.matmul"(%d, %d) {transpose_rhs = true} : (tensor<4x8xf64>, tensor<4x8xf64>) -> tensor<4x4xf64>
  return %0, %1, %2 : tensor<4x8xf32>, tensor<4x6xf32>, tensor<4x4xf64>
}
