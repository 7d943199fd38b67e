"""Worker pools and artifacts shared by the end-to-end tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import artifacts
import pytest

from tilewright.codegen.pool import WorkerPool


@pytest.fixture(scope="session")
def worker_pool() -> Iterator[WorkerPool]:
    """One worker for the whole session: its import of the compiler is paid once."""
    with WorkerPool(1, timeout_s=120) as pool:
        pool.start()
        yield pool


@pytest.fixture(scope="session")
def artifact_path(tmp_path_factory: pytest.TempPathFactory, worker_pool: WorkerPool) -> Path:
    """The small program of `artifacts`, compiled for this machine."""
    path = tmp_path_factory.mktemp("artifact") / "small.tw"
    artifacts.build(path, worker_pool)
    return path
