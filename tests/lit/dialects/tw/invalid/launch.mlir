// RUN: tilewright-opt %s --split-input-file --verify-diagnostics

func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error@+1 {{tw.launch: [K1] one buffer per result}}
  %y = "tw.launch"(%x) {callee = @k, buffers = ["slot:0", "slot:1"]} : (tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}
