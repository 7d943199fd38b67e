"""Entry point of a spawned child of `tilewright.core.isolation`: the pickled task is on stdin, the pipe's number in argv."""

from __future__ import annotations

import pickle
import sys

from tilewright.core.isolation import serve

if __name__ == "__main__":
    serve(pickle.load(sys.stdin.buffer), int(sys.argv[1]))
