// A pass at the wrong nesting is found before MLIR sees it (MLIR aborts on some), and the corrected pipeline is shown.

// RUN: not --code 2 tilewright-opt %s -p 'func.func(cse,convert-func-to-llvm,canonicalize)' 2>&1 | filecheck %s --check-prefix=MODULE
// MODULE: pipeline: error: pass 'convert-func-to-llvm' runs on 'builtin.module', but is placed on 'func.func'
// MODULE-NEXT: why: func.func(cse,convert-func-to-llvm,canonicalize)
// MODULE-NEXT:                    ^
// MODULE-NEXT: fix: write -p 'func.func(cse),convert-func-to-llvm,func.func(canonicalize)'

// RUN: not --code 2 tilewright-opt %s -p 'cse,linalg-detensorize,buffer-hoisting' 2>&1 | filecheck %s --check-prefix=FUNCTION
// FUNCTION: pass 'linalg-detensorize' runs on functions, but is placed on 'builtin.module'
// FUNCTION: fix: write -p 'cse,func.func(linalg-detensorize,buffer-hoisting)'

// RUN: not --code 2 tilewright-opt %s -p 'convert-gpu-to-nvvm' 2>&1 | filecheck %s --check-prefix=GPU
// GPU: pass 'convert-gpu-to-nvvm' runs on 'gpu.module', but is placed on 'builtin.module'
// GPU: fix: write -p 'gpu.module(convert-gpu-to-nvvm)'

// RUN: not --code 2 tilewright-opt %s -p 'func.func(tosa-to-linalg-pipeline)' 2>&1 | filecheck %s --check-prefix=ABORTS
// ABORTS: pass 'tosa-to-linalg-pipeline' runs on 'builtin.module', but is placed on 'func.func'

// RUN: not --code 2 tilewright-opt %s -p 'func.func(convert-to-llvm)' 2>&1 | filecheck %s --check-prefix=FATAL
// FATAL: MLIR's pass 'convert-to-llvm' kills the process when it runs on 'func.func'
// FATAL: fix: write -p 'convert-to-llvm'

// RUN: env TILEWRIGHT_PASS_MODULES=faulty_passes PYTHONPATH=%{root}:%S/Inputs not --code 2 tilewright-opt %s -p 'func.func(cse,test-rename)' 2>&1 | filecheck %s --check-prefix=OURS
// OURS: pass 'test-rename' runs on 'builtin.module', but is placed on 'func.func'
// OURS: fix: write -p 'func.func(cse),test-rename'

// The root may be written.
// RUN: tilewright-opt %s -p 'builtin.module(func.func(cse),canonicalize)' | filecheck %s
// CHECK: func.func private @f()
func.func private @f()
