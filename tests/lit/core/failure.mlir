// RUN: env TILEWRIGHT_PASS_MODULES=faulty_passes PYTHONPATH=%{root}:%S/Inputs not --code 5 tilewright-opt %s -p 'test-refuse{reason="it is ugly"}' 2>&1 | filecheck %s --check-prefix=REFUSE
// REFUSE: failure.mlir:{{[0-9]+}}:1: error: this function is refused
// REFUSE-NEXT: in: pass test-refuse{reason="it is ugly"}
// REFUSE-NEXT: why: it is ugly
// REFUSE-NEXT: fix: write another

// RUN: env TILEWRIGHT_PASS_MODULES=faulty_passes PYTHONPATH=%{root}:%S/Inputs not --code 5 tilewright-opt %s -p 'test-mistake' 2>&1 | filecheck %s --check-prefix=MISTAKE
// MISTAKE: error: unexpected KeyError: 'no such thing'
// MISTAKE-NEXT: in: pass test-mistake
// MISTAKE: faulty_passes.py

// RUN: env TILEWRIGHT_PASS_MODULES=faulty_passes PYTHONPATH=%{root}:%S/Inputs not --code 4 tilewright-opt %s -p 'cse,test-break,canonicalize' --dump-reproducer %t.mlir 2>&1 | filecheck %s --check-prefix=BREAK
// BREAK: failure.mlir:{{[0-9]+}}:1: error: empty block: expect at least a terminator
// BREAK-NEXT: in: after pass test-break
// BREAK: run it again: {{.*}} --run-reproducer {{.*}}.mlir
// RUN: env PYTHONPATH=%{root}:%S/Inputs not --code 4 tilewright-opt --run-reproducer %t.mlir 2>&1 | filecheck %s --check-prefix=REPLAY
// REPLAY: error: empty block: expect at least a terminator

// RUN: env TILEWRIGHT_PASS_MODULES=faulty_passes PYTHONPATH=%{root}:%S/Inputs tilewright-opt %s -p 'test-break' --no-verify-each --generic | filecheck %s --check-prefix=UNCHECKED
// UNCHECKED: sym_name = "f"

// RUN: not --code 5 tilewright-opt %s -p 'transform-interpreter' 2>&1 | filecheck %s --check-prefix=UPSTREAM
// UPSTREAM: error: could not find a nested named sequence with name: __transform_main
// UPSTREAM-NEXT: in: pass transform-interpreter

// RUN: not --code 2 tilewright-opt %t.nothing 2>&1 | filecheck %s --check-prefix=MISSING
// MISSING: error: the input cannot be read
// MISSING: why: No such file or directory

// RUN: not --code 2 tilewright-opt --run-reproducer %s 2>&1 | filecheck %s --check-prefix=NOREPRO
// NOREPRO: error: the file is not a reproducer

// RUN: echo 'func.func @f( {' | not --code 2 tilewright-opt 2>&1 | filecheck %s --check-prefix=PARSE
// PARSE: <stdin>:1:14: error: expected non-function type

func.func @f() {
  return
}
