"""A module whose import takes longer than a task may."""

from __future__ import annotations

import time

time.sleep(0.7)
