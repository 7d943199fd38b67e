// RUN: not --code 2 tilewright-opt %s -p 'cse,' 2>&1 | filecheck %s --check-prefix=NAME
// NAME: pipeline: error: expected the name of a pass
// NAME-NEXT: why: cse,
// NAME-NEXT:          ^

// RUN: not --code 2 tilewright-opt %s -p 'func.func(cse' 2>&1 | filecheck %s --check-prefix=PAREN
// PAREN: pipeline: error: expected ',' or ')' in the pipeline of 'func.func'

// RUN: not --code 2 tilewright-opt %s -p 'cse)' 2>&1 | filecheck %s --check-prefix=UNMATCHED
// UNMATCHED: pipeline: error: unmatched ')'

// RUN: not --code 2 tilewright-opt %s -p 'cse canonicalize' 2>&1 | filecheck %s --check-prefix=COMMA
// COMMA: pipeline: error: expected ',' between passes, found 'c'

// RUN: not --code 2 tilewright-opt %s -p 'canonicalize{max-iterations="2}' 2>&1 | filecheck %s --check-prefix=QUOTE
// QUOTE: pipeline: error: value of option 'max-iterations': missing closing quote

// RUN: not --code 2 tilewright-opt %s -p 'canonicalise' 2>&1 | filecheck %s --check-prefix=UNKNOWN
// UNKNOWN: pipeline: error: there is no pass called 'canonicalise'
// UNKNOWN: fix: did you mean 'canonicalize'

// RUN: not --code 2 tilewright-opt %s -p 'fuse' 2>&1 | filecheck %s --check-prefix=PREFIX
// PREFIX: there is no pass called 'fuse'
// PREFIX: fix: did you mean 'tw-fuse'

// RUN: not --code 2 tilewright-opt %s -p 'cse,canonicalize{max-iteration=3}' 2>&1 | filecheck %s --check-prefix=UPSTREAM
// UPSTREAM: pipeline: error: pass 'canonicalize' has no option 'max-iteration'
// UPSTREAM: fix: did you mean 'max-iterations'?

// RUN: not --code 2 tilewright-opt %s -p 'canonicalize{max-iterations=many}' 2>&1 | filecheck %s --check-prefix=VALUE
// VALUE: 'many' value invalid
// VALUE: pipeline: error: MLIR does not accept the pass `canonicalize{max-iterations=many}`
// VALUE: fix: `tilewright-opt --help-pass canonicalize` shows its options

// RUN: not --code 2 tilewright-opt %s -p 'func.fun(cse)' 2>&1 | filecheck %s --check-prefix=ANCHOR
// ANCHOR: pipeline: error: there is no op called 'func.fun' to run 'cse' on

// RUN: not --code 2 tilewright-opt %s -p cse --pass cse 2>&1 | filecheck %s --check-prefix=BOTH
// BOTH: error: both -p and --pass are given
