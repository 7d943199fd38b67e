"""Passes from `tw` to `tw`.

* `rewrite`, `scalars`, `affine`, `terms`: what the passes below share: worklist rewriting, the scalar functions of pointwise
  regions, integer facts about tensors, and the view of a program as expression trees that patterns are matched on.
* `simplify/` makes a program smaller, `recover/` finds the ops that a frontend decomposed, `decompose/` takes ops apart for
  targets that lack them.
* `lower_precision` lets matmuls multiply narrower operands, where that is asked for.
* `fusion/`, `outline`, `select_schedule` (with the rules in `schedules/`), `pack_weights`, `plan_memory`: from a program to
  scheduled kernels.
"""
