"""Runs the PTX of pointwise and reduction kernels on NumPy, so that what they compute is tested without a GPU.

The subset of PTX that LLVM emits for such kernels, one block at a time. Half of the warps of a block run as far as they can before the
others start, so that a missing barrier shows. In a half, an instruction is executed by all threads that stand at it, those furthest
behind first, which brings threads together again where they had parted. Out-of-bounds and misaligned accesses, reads of memory that was
never written, shuffles that not all threads of a warp take part in, and barriers that some threads never reach are errors, and so are
unknown instructions. Other races are not found.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import ml_dtypes
import numpy as np

Array = np.ndarray[Any, Any]
WARP = 32
SHARED_BASE, GAP = 1 << 40, 256
_FLOATS: dict[str, Any] = {"f16": np.float16, "bf16": ml_dtypes.bfloat16, "f32": np.float32, "f64": np.float64}


class PtxError(Exception):
    """The program does something that it must not do, or that this interpreter does not know."""


@dataclass
class Memory:
    """Bytes from address `base` on, which bytes belong to something, and which were written."""

    base: int
    data: Array = field(default_factory=lambda: np.zeros(0, np.uint8))
    exists: Array = field(default_factory=lambda: np.zeros(0, bool))
    written: Array = field(default_factory=lambda: np.zeros(0, bool))

    def allocate(self, content: Array | int) -> int:
        """The address of new memory, which holds `content` or, for a number of bytes, nothing yet."""
        size = content if isinstance(content, int) else content.nbytes
        start = -(-len(self.data) // 16) * 16
        grown = start + size + GAP
        for name in ("data", "exists", "written"):
            old: Array = getattr(self, name)
            setattr(self, name, np.concatenate([old, np.zeros(grown - len(old), old.dtype)]))
        self.exists[start : start + size] = True
        if not isinstance(content, int):
            self.data[start : start + size] = np.frombuffer(content.tobytes(), np.uint8)
            self.written[start : start + size] = True
        return self.base + start

    def locate(self, addresses: Array, size: int, alignment: int) -> Array:
        """Indices of `size` bytes at each address."""
        first = addresses.astype(np.int64) - self.base
        index = first[:, None] + np.arange(size)
        if ((index < 0) | (index >= len(self.data))).any() or not self.exists[index].all():
            raise PtxError("an access is out of bounds")
        if (first % alignment).any():
            raise PtxError(f"an access of {alignment} bytes is misaligned")
        return index

    def read(self, address: int, size: int) -> bytes:
        """Bytes that a kernel has written. Raises PtxError where it has not."""
        start = address - self.base
        if not self.written[start : start + size].all():
            raise PtxError("a part of an output was never written")
        return self.data[start : start + size].tobytes()


@dataclass(frozen=True)
class Instruction:
    """`@predicate name operands;`"""

    text: str
    name: str
    operands: tuple[str, ...]
    predicate: str = ""
    negated: bool = False


@dataclass
class PtxKernel:
    """A parsed `.entry`: instructions, labels, parameters (name and bytes), shared buffers and constants of the module."""

    instructions: list[Instruction]
    labels: dict[str, int]
    parameters: list[tuple[str, int]]
    shared: list[tuple[str, int]]
    constants: dict[str, Array]


def parse_kernel(ptx: str, name: str) -> PtxKernel:
    """Read the kernel `name` of PTX text."""
    head = re.search(rf"\.entry {re.escape(name)}\((.*?)\)(.*?)\{{(.*?)^\}}", ptx, re.DOTALL | re.MULTILINE)
    if head is None:
        raise PtxError(f"there is no kernel {name}")
    parameters = [(p, int(bits) // 8) for bits, p in re.findall(r"\.param \.[a-z](\d+).*?(\w+)(?:,|\n|$)", head[1])]
    shared = [(n, int(count) * int(bits) // 8) for bits, n, count in re.findall(r"\.shared .*?\.b(\d+) (\w+)\[(\d+)\]", head[3])]
    constants = {}
    for bits, constant, values in re.findall(r"\.global .*?\.b(\d+) (\w+)\[\d+\] = \{(.*?)\};", ptx, re.DOTALL):
        numbers = [int(v, 0) & ((1 << int(bits)) - 1) for v in values.replace("\n", " ").split(",")]
        constants[constant] = np.array(numbers, f"u{int(bits) // 8}")
    instructions: list[Instruction] = []
    labels: dict[str, int] = {}
    for line in re.sub(r"//[^\n]*", "", head[3]).splitlines():
        text = line.strip()
        if text.endswith(":"):
            labels[text[:-1]] = len(instructions)
        elif text and not text.startswith("."):
            match = re.fullmatch(r"(?:@(!?)(%p\d+)\s+)?([\w.:]+)\s*(.*?);", text)
            if match is None:
                raise PtxError(f"cannot read {text!r}")
            operands = tuple(p.strip() for p in re.findall(r"\s*(\{[^}]*\}|\[[^\]]*\]|[^,\s][^,]*)", match[4]))
            instructions.append(Instruction(text, match[3], operands, match[2] or "", match[1] == "!"))
    return PtxKernel(instructions, labels, parameters, shared, constants)


def launch(kernel: PtxKernel, grid: int, block: int, arguments: Sequence[int], memory: Memory) -> None:
    """Run `grid` blocks of `block` threads; pointers among the arguments are addresses in `memory`. Raises PtxError."""
    symbols = {name: memory.allocate(values) for name, values in kernel.constants.items()}
    for number in range(grid):
        _Block(kernel, grid, block, number, arguments, memory, symbols).run()


def _dtype(name: str) -> Any:
    if name in _FLOATS:
        return _FLOATS[name]
    if name == "pred":
        return np.bool_
    return np.dtype(f"{'i' if name[0] == 's' else 'u'}{int(name[1:]) // 8}")


class _Block:
    def __init__(
        self, kernel: PtxKernel, grid: int, block: int, number: int, arguments: Sequence[int], memory: Memory, symbols: dict[str, int]
    ) -> None:
        self.kernel, self.threads, self.memory = kernel, block, memory
        self.shared = Memory(SHARED_BASE)
        self.symbols = {**symbols, **{name: self.shared.allocate(size) for name, size in kernel.shared}}
        self.parameters = {name: value for (name, _), value in zip(kernel.parameters, arguments, strict=True)}
        self.special = {
            "%tid.x": np.arange(block),
            "%ctaid.x": np.full(block, number),
            "%ntid.x": np.full(block, block),
            "%nctaid.x": np.full(block, grid),
        }
        self.registers: dict[str, Array] = {}
        self.at = np.zeros(block, np.int64)
        self.waiting = np.zeros(block, bool)
        self.preferred = np.arange(block) // WARP % 2 == number % 2
        self.active = np.arange(block)

    def run(self) -> None:
        end = len(self.kernel.instructions)
        while True:
            ready = (self.at < end) & ~self.waiting
            if not ready.any():
                if not self.waiting.any():
                    return
                if not self.waiting[self.at < end].all() or len(np.unique(self.at[self.waiting])) > 1:
                    raise PtxError("threads wait at different barriers")
                self.waiting[:] = False
                continue
            if (ready & self.preferred).any():
                ready &= self.preferred
            here = self.at[ready].min()
            instruction = self.kernel.instructions[here]
            standing = np.flatnonzero(ready & (self.at == here))
            self.at[standing] += 1
            self.active = standing
            if instruction.predicate:
                flags = self.registers[instruction.predicate][standing]
                self.active = standing[~flags if instruction.negated else flags]
            try:
                self._execute(instruction)
            except PtxError as error:
                raise PtxError(f"{error}: {instruction.text}") from error

    def _execute(self, instruction: Instruction) -> None:
        base, *parts = instruction.name.split(".")
        operands = instruction.operands
        if base == "bra":
            self.at[self.active] = self.kernel.labels[operands[0]]
        elif base == "ret":
            self.at[self.active] = len(self.kernel.instructions)
        elif base in ("bar", "barrier"):
            self.waiting[self.active] = True
        elif base in ("ld", "st"):
            self._access(base, parts, operands)
        elif base == "shfl":
            self._shuffle(operands)
        elif base == "mov":
            self._move(parts[-1], operands)
        elif base == "cvt":
            self._convert(parts, operands)
        elif base == "setp":
            self._set_predicate(parts, operands)
        elif base == "selp":
            kind = parts[-1]
            flag = self._read(operands[3], "pred")
            self._write(operands[0], np.where(flag, self._read(operands[1], kind), self._read(operands[2], kind)), kind)
        elif base in _OPERATIONS:
            kind = parts[-1]
            values = [self._read(o, kind) for o in operands[1:]]
            with np.errstate(all="ignore"):
                result = _OPERATIONS[base](parts, *values)
            self._write(operands[0], result, f"{kind[0]}{int(kind[1:]) * 2}" if "wide" in parts else kind)
        else:
            raise PtxError("unknown instruction")

    def _read(self, operand: str, kind: str) -> Array:
        dtype = _dtype(kind)
        if operand in self.registers:
            value = self.registers[operand][self.active]
            return value if value.dtype == bool else value.astype(f"u{np.dtype(dtype).itemsize}").view(dtype)
        if operand in self.special:
            return self.special[operand][self.active].astype(dtype)
        bits: int
        if operand[:2] in ("0f", "0d"):
            bits = int(operand[2:], 16)
        elif operand in self.symbols:
            bits = self.symbols[operand]
        elif re.fullmatch(r"-?(0x[0-9A-Fa-f]+|\d+)U?", operand):
            bits = int(operand.rstrip("U"), 0)
        else:
            raise PtxError(f"{operand} has no value")
        if kind == "pred":
            return np.full(len(self.active), bool(bits))
        size = np.dtype(dtype).itemsize
        return np.full(len(self.active), bits & ((1 << 8 * size) - 1), f"u{size}").view(dtype)

    def _write(self, register: str, value: Array, kind: str) -> None:
        if kind == "pred":
            stored: Array = np.asarray(value, bool)
        else:
            value = np.ascontiguousarray(np.asarray(value).astype(_dtype(kind)))
            stored = value.view(f"u{value.dtype.itemsize}").astype(np.uint64)
        if register not in self.registers:
            self.registers[register] = np.zeros(self.threads, stored.dtype)
        self.registers[register][self.active] = stored

    def _access(self, base: str, parts: list[str], operands: tuple[str, ...]) -> None:
        kind, space = parts[-1], parts[0]
        place, others = (operands[1], operands[0]) if base == "ld" else (operands[0], operands[1])
        pointer, _, offset = place.strip("[]").partition("+")
        if space == "param":
            self._write(others, np.full(len(self.active), self.parameters[pointer]), kind)
            return
        names = [n.strip() for n in others.strip("{}").split(",")]
        size = np.dtype(_dtype(kind)).itemsize
        addresses = self._read(pointer, "u64").astype(np.int64) + int(offset or 0)
        memory = self.shared if space == "shared" else self.memory
        index = memory.locate(addresses, size * len(names), size * len(names))
        if base == "ld":
            if not memory.written[index].all():
                raise PtxError("memory is read that was never written")
            for n, name in enumerate(names):
                raw = np.ascontiguousarray(memory.data[index[:, n * size : (n + 1) * size]])
                self._write(name, raw.view(_dtype(kind))[:, 0], kind)
        else:
            for n, name in enumerate(names):
                value = np.ascontiguousarray(self._read(name, kind))
                memory.data[index[:, n * size : (n + 1) * size]] = value.view(np.uint8).reshape(-1, size)
            memory.written[index] = True

    def _shuffle(self, operands: tuple[str, ...]) -> None:
        if len(self.active) % WARP or (np.unique(self.active // WARP, return_counts=True)[1] != WARP).any():
            raise PtxError("not all threads of a warp take part")
        value = self._read(operands[1], "b32")
        position = np.arange(len(value))
        self._write(operands[0].partition("|")[0], value[position ^ self._read(operands[2], "u32")], "b32")

    def _move(self, kind: str, operands: tuple[str, ...]) -> None:
        target, source = operands
        if source.startswith("{"):
            parts = [p.strip() for p in source.strip("{}").split(",")]
            bits = int(kind[1:]) // len(parts)
            values = [self._read(p, f"b{bits}").astype(np.uint64) << np.uint64(i * bits) for i, p in enumerate(parts)]
            self._write(target, np.bitwise_or.reduce(values), kind)
        elif target.startswith("{"):
            parts = [p.strip() for p in target.strip("{}").split(",")]
            bits = int(kind[1:]) // len(parts)
            value = self._read(source, kind).astype(np.uint64)
            for i, part in enumerate(parts):
                if part != "_":
                    self._write(part, (value >> np.uint64(i * bits)).astype(f"u{bits // 8}"), f"b{bits}")
        else:
            self._write(target, self._read(source, kind), kind)

    def _convert(self, parts: list[str], operands: tuple[str, ...]) -> None:
        to, source = parts[-2:]
        with np.errstate(all="ignore"):
            if to.endswith("x2"):
                half = _FLOATS[to.removesuffix("x2")]
                high, low = (self._read(o, source).astype(half).view(np.uint16).astype(np.uint32) for o in operands[1:])
                self._write(operands[0], high << np.uint32(16) | low, "b32")
                return
            value = self._read(operands[1], source)
            for mode, rounding in (("rni", np.rint), ("rmi", np.floor), ("rpi", np.ceil), ("rzi", np.trunc)):
                if mode in parts:
                    value = rounding(value)
            if source in _FLOATS and to not in _FLOATS:
                limits = np.iinfo(_dtype(to))
                value = np.clip(np.nan_to_num(value.astype(np.float64), nan=0.0), limits.min, limits.max)
            self._write(operands[0], value.astype(_dtype(to)), to)

    def _set_predicate(self, parts: list[str], operands: tuple[str, ...]) -> None:
        comparison, kind = parts[0], parts[-1]
        if len(parts) != 2:
            raise PtxError("unknown comparison")
        lhs, rhs = (self._read(o, kind) for o in operands[1:])
        if kind in _FLOATS:
            unordered = np.isnan(lhs) | np.isnan(rhs)
            if comparison in ("num", "nan"):
                self._write(operands[0], unordered == (comparison == "nan"), "pred")
                return
            ordered = comparison if comparison in _COMPARISONS else comparison[:-1]
            result = _COMPARISONS[ordered](lhs, rhs)
            result = result & ~unordered if ordered == comparison else result | unordered
        else:
            result = _COMPARISONS[comparison](lhs, rhs)
        self._write(operands[0], result, "pred")


def _truncated_division(lhs: Array, rhs: Array) -> Array:
    if lhs.dtype.kind == "f":
        return lhs / rhs
    quotient = np.abs(lhs) // np.abs(rhs) if lhs.dtype.kind == "i" else lhs // rhs
    return np.where((lhs < 0) != (rhs < 0), -quotient, quotient) if lhs.dtype.kind == "i" else quotient


def _multiply(parts: list[str], lhs: Array, rhs: Array) -> Array:
    if "wide" in parts:
        return lhs.astype(f"{lhs.dtype.kind}{lhs.dtype.itemsize * 2}") * rhs
    if "hi" in parts:
        bits = lhs.dtype.itemsize * 8
        return np.array([int(a) * int(b) >> bits for a, b in zip(lhs, rhs)], dtype=object).astype(lhs.dtype)
    return lhs * rhs


def _fused(parts: list[str], lhs: Array, rhs: Array, addend: Array) -> Array:
    if lhs.dtype.kind != "f":
        return _multiply(parts, lhs, rhs) + addend
    exact = lhs.astype(np.longdouble) * rhs.astype(np.longdouble) + addend.astype(np.longdouble)
    return exact.astype(lhs.dtype)


def _shift(left: bool) -> Callable[..., Array]:
    def shift(parts: list[str], value: Array, count: Array) -> Array:
        bits = value.dtype.itemsize * 8
        amount = count.view(f"u{count.dtype.itemsize}") & (2**32 - 1)
        limited = np.minimum(amount, bits - 1).astype(value.dtype)
        if left:
            return np.where(amount >= bits, 0, value << limited)
        return np.where((amount >= bits) & (value.dtype.kind == "u"), 0, value >> limited)

    return shift


def _permute_bytes(parts: list[str], low: Array, high: Array, selector: Array) -> Array:
    both = high.astype(np.uint64) << np.uint64(32) | low
    result = np.zeros_like(low)
    for i in range(4):
        choice = (selector >> (4 * i)) & 7
        result |= ((both >> (choice.astype(np.uint64) * np.uint64(8))) & np.uint64(255)).astype(np.uint32) << np.uint32(8 * i)
    return result


def _funnel_shift(parts: list[str], low: Array, high: Array, count: Array) -> Array:
    both = high.astype(np.uint64) << np.uint64(32) | low
    amount = (count & 31).astype(np.uint64)
    return ((both << amount) >> np.uint64(32) if parts[0] == "l" else both >> amount) & np.uint64(2**32 - 1)


_COMPARISONS: dict[str, Callable[[Array, Array], Array]] = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}
_OPERATIONS: dict[str, Callable[..., Array]] = {
    "abs": lambda parts, a: np.abs(a),
    "add": lambda parts, a, b: a + b,
    "and": lambda parts, a, b: a & b,
    "bfe": lambda parts, a, first, count: (a >> first) & ((1 << count) - 1),
    "copysign": lambda parts, sign, magnitude: np.copysign(magnitude, sign),
    "div": lambda parts, a, b: _truncated_division(a, b),
    "ex2": lambda parts, a: np.exp2(a),
    "fma": _fused,
    "mad": _fused,
    "max": lambda parts, a, b: (np.maximum if "NaN" in parts or a.dtype.kind != "f" else np.fmax)(a, b),
    "min": lambda parts, a, b: (np.minimum if "NaN" in parts or a.dtype.kind != "f" else np.fmin)(a, b),
    "mul": _multiply,
    "neg": lambda parts, a: -a,
    "not": lambda parts, a: ~a,
    "or": lambda parts, a, b: a | b,
    "prmt": _permute_bytes,
    "rcp": lambda parts, a: 1 / a,
    "rem": lambda parts, a, b: a - _truncated_division(a, b) * b,
    "shf": _funnel_shift,
    "shl": _shift(left=True),
    "shr": _shift(left=False),
    "sqrt": lambda parts, a: np.sqrt(a),
    "sub": lambda parts, a, b: a - b,
    "xor": lambda parts, a, b: a ^ b,
}
