"""A pool of worker processes with a time limit for each task. A worker that dies or hangs is replaced, its task becomes an error."""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import IO, Any

from tilewright.codegen.task import Task, write_task
from tilewright.codegen.worker import LENGTH
from tilewright.core.diagnostics import TilewrightError, WorkerError
from tilewright.core.isolation import Death

PRELOAD = ("tilewright.codegen.kernel_task",)
"""What a worker imports before its first task, while the parent does other things."""

_GRACE_S = 5.0
"""How long a worker that closed its pipe may take to end."""

_START_S = 60.0
"""How long a worker may take to begin a task: on a busy machine most of it goes into importing the compiler."""


class WorkerPool:
    """`jobs` worker processes; each task may take `timeout_s` seconds from when its worker begins it.

    `start` returns at once and lets the workers import the compiler in the background; `submit` starts them if need be. Use it as a
    context manager, or call `close`, which kills what still runs.
    """

    def __init__(self, jobs: int, timeout_s: float, preload: Sequence[str] = PRELOAD) -> None:
        self.jobs = jobs
        self.timeout_s = timeout_s
        self._preload = tuple(preload)
        self._queue: queue.SimpleQueue[tuple[Task, Future[Any]] | None] = queue.SimpleQueue()
        self._workers: list[_Worker] = []
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._closed = False

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def start(self) -> None:
        """Start the processes without waiting for them."""
        with self._lock:
            if self._threads or self._closed:
                return
            for number in range(self.jobs):
                worker = _Worker(self._preload)
                thread = threading.Thread(target=self._manage, args=(worker,), name=f"tilewright-worker-{number}", daemon=True)
                self._workers.append(worker)
                self._threads.append(thread)
                thread.start()

    @property
    def started(self) -> bool:
        """Whether processes were started."""
        return bool(self._threads)

    def submit(self, task: Task) -> Future[Any]:
        """Queue a task. The future gives its result, or raises the task's TilewrightError, or WorkerError."""
        if self._closed:
            raise WorkerError("the worker pool is closed")
        self.start()
        future: Future[Any] = Future()
        self._queue.put((task, future))
        return future

    def close(self) -> None:
        """Kill the workers and cancel what is queued."""
        with self._lock:
            self._closed = True
            threads, self._threads = self._threads, []
        with contextlib.suppress(queue.Empty):
            while True:
                item = self._queue.get_nowait()
                if item is not None:
                    item[1].cancel()
        for worker in self._workers:
            worker.kill()
        for _ in threads:
            self._queue.put(None)
        for thread in threads:
            thread.join()

    def _manage(self, worker: _Worker) -> None:
        """The life of one manager thread: it starts the process now and hands it one task after another."""
        # A process that cannot be started is reported by the first task that needs it.
        with contextlib.suppress(OSError, WorkerError):
            worker.ensure_running()
        try:
            while (item := self._queue.get()) is not None:
                task, future = item
                if not future.set_running_or_notify_cancel():
                    continue
                try:
                    future.set_result(worker.run(task, self.timeout_s))
                except BaseException as error:
                    future.set_exception(error)
        finally:
            worker.stop()


class _Worker:
    """One process, replaced when it dies."""

    def __init__(self, preload: Sequence[str]) -> None:
        self._preload = preload
        self._process: subprocess.Popen[bytes] | None = None
        self._stderr: IO[bytes] | None = None
        self._stopped = False
        self._lock = threading.Lock()

    def ensure_running(self) -> tuple[subprocess.Popen[bytes], int]:
        """The process, started if there is none, and the bytes that it wrote to stderr so far. Raises WorkerError after `stop`."""
        with self._lock:
            if self._stopped:
                raise WorkerError("the worker pool is closed")
            if self._stderr is None:
                self._stderr = tempfile.TemporaryFile()  # noqa: SIM115
            written = self._stderr.seek(0, os.SEEK_END)
            if self._process is not None and self._process.poll() is None:
                return self._process, written
            options = [argument for name in self._preload for argument in ("--preload", name)]
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tilewright.codegen.worker", *options],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
            )
            assert self._process.stdin is not None
            # A worker that hangs while it starts reads no task, and a large one does not fit into the pipe.
            os.set_blocking(self._process.stdin.fileno(), False)
            return self._process, written

    def run(self, task: Task, timeout_s: float) -> Any:
        """Do one task. Raises the task's own error, or WorkerError when the process died or took too long."""
        process, written_before = self.ensure_running()
        phase, limit_s = "start", _START_S
        payload = pickle.dumps(task)
        try:
            channel = _Channel(process, time.monotonic() + limit_s)
            channel.write(LENGTH.pack(len(payload)) + payload)
            while True:
                kind, value = channel.next()
                if kind == "begin":
                    limit_s = timeout_s
                    channel.deadline = time.monotonic() + limit_s
                elif kind == "phase":
                    phase = value
                elif kind == "result":
                    return value
                elif isinstance(value, TilewrightError):
                    raise value
                else:
                    raise _failure(task, phase, "failed by an unexpected exception", value)
        except TimeoutError:
            death = self._bury(limit_s, written_before)
        except (EOFError, OSError):
            death = self._bury(None, written_before)
        if self._stopped:
            raise WorkerError("the worker pool was closed", where=task.name)
        raise _failure(task, phase, f"made its worker stop: it {death}", death.evidence)

    def kill(self) -> None:
        """Kill the process for good, from any thread. The manager, which may be reading from the pipe, calls `stop`."""
        with self._lock:
            self._stopped = True
            if self._process is not None:
                self._process.kill()

    def stop(self) -> None:
        """Kill the process and free what belongs to it."""
        self.kill()
        with self._lock:
            if self._process is not None:
                self._process.wait()
                for pipe in (self._process.stdin, self._process.stdout):
                    if pipe is not None:
                        with contextlib.suppress(OSError):
                            pipe.close()
                self._process = None
            if self._stderr is not None:
                self._stderr.close()
                self._stderr = None

    def _bury(self, timeout_s: float | None, written_before: int) -> Death:
        """End the process and say how it ended."""
        with self._lock:
            process, self._process = self._process, None
            if process is None or self._stderr is None:
                return Death(int(signal.SIGKILL), None, timeout_s, "")
            if timeout_s is not None:
                process.kill()
            try:
                code = process.wait(_GRACE_S)
            except subprocess.TimeoutExpired:  # It closed its pipe and lives on.
                process.kill()
                code = process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
            self._stderr.seek(written_before)
            text = self._stderr.read().decode(errors="replace")
        return Death(-code if code < 0 else None, code if code >= 0 else None, timeout_s, text)


class _Channel:
    """Messages to and from a worker until a deadline, on the monotonic clock."""

    def __init__(self, process: subprocess.Popen[bytes], deadline: float) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._tasks = process.stdin.fileno()
        self._replies = process.stdout.fileno()
        self.deadline = deadline

    def write(self, data: bytes) -> None:
        """Send `data`. Raises BrokenPipeError when the worker is gone and TimeoutError when it does not read until the deadline."""
        left = memoryview(data)
        with selectors.DefaultSelector() as selector:
            selector.register(self._tasks, selectors.EVENT_WRITE)
            while left:
                self._wait(selector)
                left = left[os.write(self._tasks, left) :]

    def next(self) -> tuple[str, Any]:
        """The next message. Raises EOFError when the worker is gone and TimeoutError at the deadline."""
        (size,) = LENGTH.unpack(self._read(LENGTH.size))
        return pickle.loads(self._read(size))

    def _read(self, size: int) -> bytes:
        data = bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(self._replies, selectors.EVENT_READ)
            while len(data) < size:
                self._wait(selector)
                try:
                    chunk = os.read(self._replies, size - len(data))
                except OSError as error:
                    raise EOFError from error
                if not chunk:
                    raise EOFError
                data += chunk
        return bytes(data)

    def _wait(self, selector: selectors.BaseSelector) -> None:
        left = self.deadline - time.monotonic()
        if left <= 0 or not selector.select(left):
            raise TimeoutError


def _failure(task: Task, phase: str, what: str, evidence: str) -> WorkerError:
    path, command = write_task(task, f"{task.name} {what}")
    return WorkerError(
        f"compiling {task.name} {what}",
        where=f"{task.name}, phase {phase}",
        why=evidence,
        remedy=f"report it with {path}\nrun it again: {command}",
    )
