"""Simplification: the same program, smaller.

* `scalar_rules`, `pointwise`: algebra inside pointwise regions, and what regions know about their operands.
* `movement`, `slicing`, `gathering`, `contraction`: movement ops cancel, merge, or move to where their consumer absorbs them.
* `accumulation`: casts around matmuls become the type that they accumulate in.
* `fold_constants`, `fold_weights`: values known at compile time.
* `cse`, `dce`: equal ops once, unused ops never.
* `simplify`: all of it together until nothing changes.
"""
