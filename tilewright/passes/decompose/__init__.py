"""Decomposition: an op as simpler `tw` ops, with the same semantics, for targets and cases that have no kernel for it.

`registry` knows the decompositions by op name; `attention`, `normalization`, `position` hold them; `decompose` is the pass.
"""
