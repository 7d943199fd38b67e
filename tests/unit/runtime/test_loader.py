"""Loading shared objects from memory."""

from __future__ import annotations

import pytest

from tilewright.codegen.link import link_shared
from tilewright.codegen.llvm_object import compile_object
from tilewright.runtime.errors import ArtifactError
from tilewright.runtime.loader import load_shared_object
from tilewright.targets import host_target


def test_libraries_loaded_one_after_another_stay_apart() -> None:
    target = host_target()
    libraries = []
    for i in range(5):
        compiled = compile_object(f"define i32 @number() {{\n  ret i32 {i}\n}}\n", target)
        libraries.append(load_shared_object(link_shared([compiled.object], target), f"number {i}"))
    assert [library.number() for library in libraries] == list(range(5))


@pytest.mark.parametrize("data", [b"", b"\x7fELF", b"not a library" * 100])
def test_what_is_not_a_library(data: bytes) -> None:
    with pytest.raises(ArtifactError, match="the code for nonsense cannot be loaded"):
        load_shared_object(data, "nonsense")
