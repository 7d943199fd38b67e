"""The values of weights, for passes that may look at them.

Passes are described by text, so values can't be options. Whoever has them provides them around the pipeline:

```python
with weight_values.provided(exported.weights):
    run_pipeline(module, "tw-simplify")
```
Without values every pass still works; it knows less. The mapping may load lazily: it is asked only for weights that are small
enough to matter.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

_values: ContextVar[Mapping[str, np.ndarray] | None] = ContextVar("weight_values", default=None)


@contextmanager
def provided(values: Mapping[str, np.ndarray] | None) -> Generator[None]:
    """Make weight values known to the passes that run inside."""
    token = _values.set(values)
    try:
        yield
    finally:
        _values.reset(token)


def known(name: str) -> np.ndarray | None:
    """The value of a weight, None where nobody provided it."""
    values = _values.get()
    return None if values is None or name not in values else np.asarray(values[name])
