"""Vector math: transcendental functions as inline polynomials on `N x f32`, without a math library.

One module per family; every function states its largest error in ULP, which `tests/numerics/test_math_*.py` checks over the
whole range. `expand_math_op` maps scalar `math` ops to these functions.
"""

from __future__ import annotations

from tilewright.lowering.math.expand import (
    computes,
    expand_math_op,
    expand_nonpositive_exp,
    expand_one_plus_erf,
    is_expanded,
    sums_with_erf,
)

__all__ = ["computes", "expand_math_op", "expand_nonpositive_exp", "expand_one_plus_erf", "is_expanded", "sums_with_erf"]
