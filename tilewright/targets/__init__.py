"""Descriptions of machines as frozen data, their registry, and the one place that looks at the machine the compiler runs on."""

from __future__ import annotations

from tilewright.targets.detect import host_target
from tilewright.targets.registry import find, list_targets
from tilewright.targets.target import Caches, GpuLimits, MatrixInstruction, Target

__all__ = ["Caches", "GpuLimits", "MatrixInstruction", "Target", "find", "host_target", "list_targets"]
