"""Typed reading of untrusted JSON: every field is checked for presence, type and range, and errors name its path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from tilewright.runtime.errors import ArtifactError

T = TypeVar("T")
MAX_ITEMS = 1_000_000


class Fields:
    """A JSON object at a `path` of the manifest."""

    def __init__(self, value: Any, path: str) -> None:
        if not isinstance(value, dict):
            raise ArtifactError(f"{path} of the manifest is not an object")
        self.value: dict[str, Any] = value
        self.path = path

    def _get(self, key: str) -> Any:
        if key not in self.value:
            raise ArtifactError(f"{self.path}.{key} of the manifest is missing")
        return self.value[key]

    def text(self, key: str) -> str:
        """A string."""
        value = self._get(key)
        if not isinstance(value, str):
            raise ArtifactError(f"{self.path}.{key} of the manifest is not a string")
        return value

    def integer(self, key: str, minimum: int = 0, maximum: int = 2**62) -> int:
        """An integer in `[minimum, maximum]`."""
        value = self._get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not minimum <= value <= maximum:
            raise ArtifactError(f"{self.path}.{key} of the manifest is not an integer from {minimum} to {maximum}")
        return value

    def items(self, key: str, read: Callable[[Any, str], T]) -> tuple[T, ...]:
        """A list, each element read by `read(value, path)`."""
        value = self._get(key)
        if not isinstance(value, list) or len(value) > MAX_ITEMS:
            raise ArtifactError(f"{self.path}.{key} of the manifest is not a list")
        return tuple(read(item, f"{self.path}.{key}[{i}]") for i, item in enumerate(value))

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings."""
        return self.items(key, read_text)

    def objects(self, key: str, read: Callable[[Fields], T]) -> tuple[T, ...]:
        """A list of objects."""
        return self.items(key, lambda value, path: read(Fields(value, path)))

    def optional(self, key: str) -> Any:
        """Whatever is there, or None."""
        return self.value.get(key)


def read_text(value: Any, path: str) -> str:
    """A list element that must be a string."""
    if not isinstance(value, str):
        raise ArtifactError(f"{path} of the manifest is not a string")
    return value


def read_index(value: Any, path: str) -> int:
    """A list element that must be an integer of at least 0."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ArtifactError(f"{path} of the manifest is not an index")
    return value
