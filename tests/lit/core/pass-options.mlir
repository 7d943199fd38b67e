// RUN: env TILEWRIGHT_PASS_MODULES=faulty_passes PYTHONPATH=%{root}:%S/Inputs tilewright-opt %s -p 'test-rename{times=2 suffixes=_a,"_b c"}' | filecheck %s
// CHECK: func.func private @"f_a_b c_a_b c"()
func.func private @f()

// RUN: env TILEWRIGHT_PASS_MODULES=faulty_passes PYTHONPATH=%{root}:%S/Inputs not --code 2 tilewright-opt %s -p 'cse,test-rename{time=2}' 2>&1 | filecheck %s --check-prefix=UNKNOWN
// UNKNOWN: pipeline: error: pass 'test-rename' has no option 'time'
// UNKNOWN-NEXT: why: cse,test-rename{time=2}
// UNKNOWN-NEXT:                      ^
// UNKNOWN-NEXT: fix: did you mean 'times'?
// UNKNOWN-NEXT: see `tilewright-opt --help-pass test-rename`

// RUN: env TILEWRIGHT_PASS_MODULES=faulty_passes PYTHONPATH=%{root}:%S/Inputs not --code 2 tilewright-opt %s -p 'test-rename{times=two}' 2>&1 | filecheck %s --check-prefix=TYPE
// TYPE: pipeline: error: option 'times' of pass 'test-rename' is an integer, not 'two'

// RUN: env TILEWRIGHT_PASS_MODULES=faulty_passes PYTHONPATH=%{root}:%S/Inputs not --code 2 tilewright-opt %s -p 'test-rename{times=1 times=2}' 2>&1 | filecheck %s --check-prefix=TWICE
// TWICE: pipeline: error: option 'times' is given twice

// RUN: env TILEWRIGHT_PASS_MODULES=faulty_passes PYTHONPATH=%{root}:%S/Inputs not --code 2 tilewright-opt %s -p 'test-refuse' 2>&1 | filecheck %s --check-prefix=REQUIRED
// REQUIRED: pipeline: error: pass 'test-refuse' needs the option 'reason'

// RUN: env TILEWRIGHT_PASS_MODULES=nowhere not --code 2 tilewright-opt %s -p 'test-refuse' 2>&1 | filecheck %s --check-prefix=MODULE
// MODULE: error: the module nowhere, which may hold passes, cannot be imported
// MODULE: fix: check TILEWRIGHT_PASS_MODULES

// A composite is expanded: instruments see what is in it.
// RUN: env TILEWRIGHT_PASS_MODULES=faulty_passes PYTHONPATH=%{root}:%S/Inputs tilewright-opt %s -p 'test-tidy{suffix=_u}' --timing 2>&1 | filecheck %s --check-prefix=COMPOSITE
// COMPOSITE-DAG: func.func(cse) of test-tidy
// COMPOSITE-DAG: test-rename{suffixes=_u} of test-tidy
// COMPOSITE-DAG: func.func private @f_u()
