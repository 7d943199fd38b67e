// RUN: tilewright-opt %s -p tw-fold-weights | filecheck %s

// Without the values nothing is assumed about a weight (tests/unit/passes/test_fold_constants.py has the values).
// CHECK-LABEL: func.func @unknown
// CHECK-NEXT: %[[W:.*]] = "tw.weight"() {name = "position_ids"}
// CHECK-NEXT: return %[[W]]
func.func @unknown() -> tensor<1x512xi64> {
  %0 = "tw.weight"() {name = "position_ids"} : () -> tensor<1x512xi64>
  return %0 : tensor<1x512xi64>
}
