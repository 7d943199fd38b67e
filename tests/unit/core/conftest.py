from __future__ import annotations

import sys
from pathlib import Path

# For `faulty_task`, which the spawned children of the isolation tests import by name.
sys.path.insert(0, str(Path(__file__).parent))
