// RUN: not --code 4 tilewright-opt %s -p 'tw-outline' 2>&1 | filecheck %s

// A kernel is isolated; what it uses must enter as an operand.
// CHECK: tw.kernel is isolated: a value from outside is used
// CHECK: fix: pass the value as an operand of tw.kernel
func.func @main(%x: tensor<8xf32>) -> tensor<8xf32> {
  %0 = "tw.kernel"() ({
    %1 = "tw.softmax"(%x) {dim = 0 : i64} : (tensor<8xf32>) -> tensor<8xf32>
    "tw.yield"(%1) : (tensor<8xf32>) -> ()
  }) : () -> tensor<8xf32>
  return %0 : tensor<8xf32>
}
