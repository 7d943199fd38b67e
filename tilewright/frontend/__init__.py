"""Frontends: the outside world to a level 1 `tw` program (`docs/levels.md`).

* `program`: what every frontend returns, free of the framework it came from.
* `contract`: the check at the end of every frontend.
* `torch/`: `torch.export` programs.
"""
