"""What a pass is: a frozen dataclass whose fields are its options and whose docstring is its contract.

```python
@register_pass
@dataclass(frozen=True)
class Fuse(Pass):
    \"\"\"Group ops into `tw.kernel` regions.

    Before: ...
    After: ...
    \"\"\"

    name: ClassVar[str] = "tw-fuse"
    max_ops: int = option(16, help="largest number of ops in one kernel")
```

In a pipeline this pass is `tw-fuse{max-ops=8}`. All our passes run on a `builtin.module`.
"""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Union

if TYPE_CHECKING:
    from tilewright.core.mlir import ir

OptionValue = bool | int | float | str | tuple[str, ...] | None

_SCALARS: dict[type, str] = {bool: "bool", int: "int", float: "float", str: "str"}


def option(default: Any = dataclasses.MISSING, *, help: str) -> Any:
    """A dataclass field with a line of help for `--help-pass`; without a default the option is required."""
    return dataclasses.field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class PassOption:
    """One option of a pass, derived from a dataclass field.

    `kind` is `bool`, `int`, `float`, `str` or `list` (of strings). An `optional` option can also be `none`.
    """

    name: str
    field: str
    kind: str
    optional: bool
    required: bool
    default: OptionValue
    help: str

    @property
    def type_text(self) -> str:
        return f"{self.kind} or none" if self.optional else self.kind


@dataclass(frozen=True)
class Pass:
    """Base of all passes. Subclasses set `name`, may add option fields, and implement `run`."""

    name: ClassVar[str]

    def run(self, module: ir.Module) -> None:
        """Transform `module` in place. Raises a `TilewrightError` with the op's location when it cannot."""
        raise NotImplementedError(f"{type(self).__name__}.run")

    @classmethod
    def contract(cls) -> str:
        """The first line of the docstring."""
        return cls.documentation().partition("\n")[0]

    @classmethod
    def documentation(cls) -> str:
        # A dataclass without a docstring of its own gets its signature as one, which is no contract.
        text = cls.__dict__.get("__doc__") or ""
        return "" if text.startswith(f"{cls.__name__}(") else inspect.cleandoc(text)

    @classmethod
    def options(cls) -> tuple[PassOption, ...]:
        """The options in declaration order. Raises TypeError where a field has a type that a pipeline cannot express."""
        hints = typing.get_type_hints(cls)
        return tuple(_describe(cls, field, hints[field.name]) for field in dataclasses.fields(cls))


@dataclass(frozen=True)
class CompositePass(Pass):
    """Base of passes that are a pipeline of other passes. Instruments see the inner passes one by one."""

    def pipeline(self) -> str:
        """The pipeline this pass stands for, in the grammar of `tilewright.core.pipeline`."""
        raise NotImplementedError(f"{type(self).__name__}.pipeline")

    def run(self, module: ir.Module) -> None:
        from tilewright.core.pass_manager import run_pipeline

        run_pipeline(module, self.pipeline())


def _describe(cls: type[Pass], field: dataclasses.Field[Any], annotation: Any) -> PassOption:
    optional = False
    if typing.get_origin(annotation) in (Union, types.UnionType):
        alternatives = [a for a in typing.get_args(annotation) if a is not type(None)]
        optional = len(alternatives) < len(typing.get_args(annotation))
        annotation = alternatives[0] if len(alternatives) == 1 else annotation
    if annotation == tuple[str, ...]:
        kind = "list"
    elif isinstance(annotation, type) and annotation in _SCALARS:
        kind = _SCALARS[annotation]
    else:
        raise TypeError(
            f"option {field.name!r} of {cls.__name__} has type {annotation!r}; "
            "an option is a bool, int, float, str, tuple[str, ...], or one of these or None"
        )
    if field.default_factory is not dataclasses.MISSING:
        raise TypeError(f"option {field.name!r} of {cls.__name__} has a default factory; options need plain immutable defaults")
    required = field.default is dataclasses.MISSING
    default: Any = None if required else field.default
    name = field.name.replace("_", "-")
    return PassOption(name, field.name, kind, optional, required, default, str(field.metadata.get("help", "")))
