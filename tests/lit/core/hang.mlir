// RUN: env TILEWRIGHT_PASS_MODULES=faulty_passes PYTHONPATH=%{root}:%S/Inputs not --code 6 tilewright-opt %s -p 'cse,test-hang' --timeout 1.5 --dump-reproducer %t.mlir 2>&1 | filecheck %s
// CHECK: hang.mlir: error: pass test-hang did not finish within 1.5 s and was killed
// CHECK: fix: the IR before it is in {{.*}}.mlir
// CHECK: run it again: {{.*}} --run-reproducer
// CHECK: give it more time: --timeout=<seconds>

// The reproducer knows the timeout and the module that has the pass.
// RUN: env PYTHONPATH=%{root}:%S/Inputs not --code 6 tilewright-opt --run-reproducer %t.mlir 2>&1 | filecheck %s --check-prefix=REPLAY
// REPLAY: error: pass test-hang did not finish within 1.5 s and was killed
func.func private @f()
