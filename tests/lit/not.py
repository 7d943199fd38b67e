"""`not [--code N] command...`: succeeds where the command fails in an orderly way (with exit code N), and passes its output on."""

from __future__ import annotations

import subprocess
import sys


def main() -> int:
    arguments = sys.argv[1:]
    expected: int | None = None
    if arguments[:1] == ["--code"]:
        expected, arguments = int(arguments[1]), arguments[2:]
    code = subprocess.run(arguments, check=False).returncode
    if code < 0:
        print(f"not: the command died of signal {-code}", file=sys.stderr)
        return 1
    if code == 0 or (expected is not None and code != expected):
        print(f"not: exit code {code}, expected {expected if expected is not None else 'a failure'}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
