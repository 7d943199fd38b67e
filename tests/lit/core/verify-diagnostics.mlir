// RUN: tilewright-opt %s --split-input-file --verify-diagnostics -p cse
// RUN: not --code 1 tilewright-opt %S/Inputs/mismatch.mlir --split-input-file --verify-diagnostics 2>&1 | filecheck %s
// CHECK: mismatch.mlir:2: error: expected error {{.*}}something else{{.*}} at line 3 did not come
// CHECK: mismatch.mlir:8: error: expected error {{.*}}never{{.*}} did not come
// CHECK: mismatch.mlir:13:{{.*}} error: unexpected error: {{.*}}has 0 operands
// CHECK-NOT: error

func.func @f() -> i32 {
  // expected-error@+2 {{op has 0 operands, but enclosing function (@f) returns 1}}
  // expected-note@below {{see current operation}}
  return
}

// -----

func.func @g() -> i32 {
  return // expected-error-re {{has {{[0-9]+}} operands}}
}

// -----

func.func @h() {
  "func.return"() : () -> ()
  // expected-error@above {{must be the last operation}}
  return
}

// -----

// expected-error@+1 {{custom op 'func.fun' is unknown}}
func.fun @misspelled()

// -----

func.func @unregistered() {
  // expected-error@+1 {{there is no op called 'foo.bar'}}
  "foo.bar"() : () -> ()
  return
}

// -----

func.func private @valid()
