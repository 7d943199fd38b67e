// RUN: rm -rf %t && echo hello > %t
// RUN: not --code 2 tilewright-opt %s -p cse --dump-dir %t 2>&1 | filecheck %s
// CHECK: error: the dump directory cannot be made
// CHECK-NEXT: why: it is a file

func.func @empty() { return }
