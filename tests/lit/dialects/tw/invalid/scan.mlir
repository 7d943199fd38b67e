// RUN: tilewright-opt %s --split-input-file --verify-diagnostics

func.func @f(%x: tensor<i64>) -> tensor<i64> {
  // expected-error@+1 {{tw.scan: [R1] dim is a dimension of the input}}
  %y = "tw.scan"(%x) {dim = 0 : i64} : (tensor<i64>) -> tensor<i64>
  return %y : tensor<i64>
}

// -----

func.func @f(%x: tensor<4xi64>) -> tensor<4xi64> {
  // expected-error@+1 {{tw.scan: [R2] kind is add or mul}}
  %y = "tw.scan"(%x) {dim = 0 : i64, kind = "max"} : (tensor<4xi64>) -> tensor<4xi64>
  return %y : tensor<4xi64>
}
