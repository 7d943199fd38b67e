"""Building linalg kernels: sizes, empty and filled tensors, generics with broadcasting operands."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tilewright.core.mlir import arith, ir, linalg, tensor
from tilewright.core.symbolic import Dim, Expr, parse, product, to_expr
from tilewright.dialects.tw.types import FLOATS, TensorInfo, element_type, tensor_info, tensor_type

Body = Callable[..., "ir.Value | Sequence[ir.Value]"]


class LinalgBuilder:
    """Builds the body of one linalg kernel function. `symbols` are the size arguments by name."""

    def __init__(self, symbols: dict[str, ir.Value], values: dict[ir.Value, ir.Value]) -> None:
        self.symbols = symbols
        self.values = values
        self._sizes: dict[str, ir.Value] = {}

    def of(self, value: ir.Value) -> ir.Value:
        """The linalg value that stands for a value of the `tw` kernel."""
        return self.values[value]

    def size(self, dim: Dim) -> ir.Value:
        """A size as an index value."""
        expression = to_expr(dim)
        constant = expression.constant()
        if constant is not None:
            return index_constant(constant)
        key = str(expression)
        if key not in self._sizes:
            self._sizes[key] = self._size(expression)
        return self._sizes[key]

    def _size(self, expression: Expr) -> ir.Value:
        total: ir.Value | None = None
        for monomial, coefficient in expression.terms.items():
            value: ir.Value | None = None
            for atom in monomial:
                factor = self.symbols[atom.name] if not atom.args else self._call(atom.name, atom.args)
                value = factor if value is None else arith.MulIOp(value, factor).result
            if value is None:
                value = index_constant(coefficient)
            elif coefficient != 1:
                value = arith.MulIOp(value, index_constant(coefficient)).result
            total = value if total is None else arith.AddIOp(total, value).result
        return index_constant(0) if total is None else total

    def _call(self, name: str, args: tuple[str, ...]) -> ir.Value:
        lhs, rhs = (self.size(parse(a)) for a in args)
        build = {
            "floordiv": arith.DivUIOp,
            "mod": arith.RemUIOp,
            "ceildiv": arith.CeilDivUIOp,
            "max": arith.MaxSIOp,
            "min": arith.MinSIOp,
        }[name]
        return build(lhs, rhs).result

    def empty(self, info: TensorInfo) -> ir.Value:
        """An uninitialized tensor."""
        sizes = [self.size(d) for d in info.shape if not isinstance(d, int)]
        return ir.Operation.create("tensor.empty", results=[tensor_type(info)], operands=sizes).results[0]

    def filled(self, info: TensorInfo, scalar: ir.Value) -> ir.Value:
        """A tensor whose elements are all `scalar`."""
        return linalg.fill(scalar, outs=[self.empty(info)])

    def generic(
        self,
        inputs: Sequence[ir.Value],
        maps: Sequence[ir.AffineMap],
        inits: Sequence[ir.Value],
        init_maps: Sequence[ir.AffineMap],
        iterators: Sequence[str],
        body: Body,
    ) -> list[ir.Value]:
        """`linalg.generic`; `body` receives a scalar per input, then one per init, and returns what is yielded."""
        loc = ir.Location.current
        attributes = ir.ArrayAttr.get([ir.AffineMapAttr.get(m) for m in (*maps, *init_maps)])
        kinds = ir.ArrayAttr.get([ir.Attribute.parse(f"#linalg.iterator_type<{i}>") for i in iterators])
        op = linalg.GenericOp([v.type for v in inits], list(inputs), list(inits), attributes, kinds)
        elements = [element_type(tensor_info(v).dtype) for v in (*inputs, *inits)]
        block = op.regions[0].blocks.append(*elements, arg_locs=[loc] * len(elements))
        with ir.InsertionPoint(block):
            out = body(*block.arguments)
            linalg.YieldOp(list(out) if isinstance(out, list | tuple) else [out])
        return list(op.operation.results)

    def pointwise(self, inputs: Sequence[ir.Value], result: TensorInfo, body: Body) -> ir.Value:
        """A generic without reductions whose inputs broadcast NumPy-style to the result; `body` gets one scalar per input."""
        maps = [broadcast_map(tensor_info(v).shape, result.shape) for v in inputs]
        identity = ir.AffineMap.get_identity(len(result.shape))
        (out,) = self.generic(
            inputs, maps, [self.empty(result)], [identity], ["parallel"] * len(result.shape), lambda *args: body(*args[: len(inputs)])
        )
        return out

    def reduce(
        self, value: ir.Value, dims: Sequence[int], neutral: ir.Value, body: Body, others: Sequence[ir.Value] = (), dtype: str | None = None
    ) -> ir.Value:
        """Reduce `dims` of `value`; `body(elements..., acc)` returns the new accumulator. `others` broadcast to `value`."""
        info = tensor_info(value)
        kept = [i for i in range(info.rank) if i not in dims]
        result = TensorInfo(tuple(info.shape[i] for i in kept), dtype or info.dtype)
        maps = [broadcast_map(tensor_info(v).shape, info.shape) for v in (value, *others)]
        out_map = ir.AffineMap.get(info.rank, 0, [ir.AffineDimExpr.get(i) for i in kept])
        iterators = ["reduction" if i in dims else "parallel" for i in range(info.rank)]
        (out,) = self.generic([value, *others], maps, [self.filled(result, neutral)], [out_map], iterators, body)
        return out

    def reshape(self, value: ir.Value, shape: Sequence[Dim]) -> ir.Value:
        """The same elements under another shape: collapsed to the common factors, then expanded."""
        info = tensor_info(value)
        if tuple(info.shape) == tuple(shape):
            return value
        groups = matching_groups(info.shape, shape)
        middle = tuple(common_size([info.shape[i] for i in source]) for source, _ in groups)
        if any(len(source) != 1 for source, _ in groups) or not groups:
            value = self._collapse(value, info.with_shape(middle), [source for source, _ in groups])
        if any(len(target) != 1 for _, target in groups) or not groups:
            value = self._expand(value, info.with_shape(shape), [target for _, target in groups])
        return value

    def _collapse(self, value: ir.Value, result: TensorInfo, groups: Sequence[Sequence[int]]) -> ir.Value:
        if tuple(tensor_info(value).shape) == tuple(result.shape):
            return value
        return tensor.CollapseShapeOp(tensor_type(result), value, reassociation(groups)).result

    def _expand(self, value: ir.Value, result: TensorInfo, groups: Sequence[Sequence[int]]) -> ir.Value:
        if tuple(tensor_info(value).shape) == tuple(result.shape):
            return value
        dynamic = ir.ShapedType.get_dynamic_size()
        sizes = [self.size(d) for d in result.shape if not isinstance(d, int)]
        static = [d if isinstance(d, int) else dynamic for d in result.shape]
        return tensor.ExpandShapeOp(tensor_type(result), value, reassociation(groups), sizes, ir.DenseI64ArrayAttr.get(static)).result

    def insert_ones(self, value: ir.Value, dims: Sequence[int]) -> ir.Value:
        """Dimensions of size 1 put in at `dims` of the result."""
        shape = list(tensor_info(value).shape)
        for dim in sorted(dims):
            shape.insert(dim, 1)
        return self.reshape(value, shape)

    def reciprocal_of_count(self, count: Dim) -> ir.Value:
        """1 / count as f32, computed once."""
        constant = to_expr(count).constant()
        if constant is not None:
            return float_constant(1.0 / max(constant, 1), "f32")
        as_integer = arith.IndexCastOp(ir.IntegerType.get_signless(64), self.size(count)).result
        as_float = arith.SIToFPOp(ir.F32Type.get(), as_integer).result
        return arith.DivFOp(float_constant(1.0, "f32"), as_float).result


def index_constant(value: int) -> ir.Value:
    """An index constant."""
    return arith.ConstantOp(ir.IndexType.get(), value).result


def typed_constant(mlir_type: ir.Type, value: ir.Attribute) -> ir.Value:
    """`arith.constant` of an attribute."""
    return ir.Operation.create("arith.constant", results=[mlir_type], attributes={"value": value}).results[0]


def float_constant(value: float, dtype: str) -> ir.Value:
    """A float constant."""
    element = element_type(dtype)
    return typed_constant(element, ir.FloatAttr.get(element, value))


def scalar_constant(value: float, dtype: str) -> ir.Value:
    """A float or integer constant."""
    if dtype in FLOATS:
        return float_constant(value, dtype)
    element = element_type(dtype)
    return typed_constant(element, ir.IntegerAttr.get(element, int(value)))


def to_f32(value: ir.Value) -> ir.Value:
    """A 16-bit float as f32; other floats as they are."""
    if isinstance(value.type, ir.F16Type | ir.BF16Type):
        return arith.ExtFOp(ir.F32Type.get(), value).result
    return value


def from_f32(value: ir.Value, dtype: str) -> ir.Value:
    """Round to a 16-bit float where `dtype` is one."""
    element = element_type(dtype)
    return arith.TruncFOp(element, value).result if isinstance(element, ir.F16Type | ir.BF16Type) else value


def wide_dtype(dtype: str) -> str:
    """The dtype that statistics and sums are computed in."""
    return "f32" if dtype in ("f16", "bf16") else dtype


def broadcast_map(shape: Sequence[Dim], result: Sequence[Dim]) -> ir.AffineMap:
    """How an operand of `shape` is read in a loop nest over `result`."""
    missing = len(result) - len(shape)
    exprs = [
        ir.AffineConstantExpr.get(0) if size == 1 and result[i + missing] != 1 else ir.AffineDimExpr.get(i + missing)
        for i, size in enumerate(shape)
    ]
    return ir.AffineMap.get(len(result), 0, exprs)


def reassociation(groups: Sequence[Sequence[int]]) -> ir.ArrayAttr:
    """The attribute of expand_shape and collapse_shape."""
    i64 = ir.IntegerType.get_signless(64)
    return ir.ArrayAttr.get([ir.ArrayAttr.get([ir.IntegerAttr.get(i64, i) for i in group]) for group in groups])


def common_size(sizes: Sequence[Dim]) -> Dim:
    """The product of the sizes of a group."""
    return product(sizes)


def matching_groups(source: Sequence[Dim], target: Sequence[Dim]) -> list[tuple[list[int], list[int]]]:
    """Split two shapes with the same number of elements into runs of dimensions with equal products, as short as can be proven."""
    groups: list[tuple[list[int], list[int]]] = []
    i = j = 0
    while i < len(source) and j < len(target):
        left, right = [i], [j]
        size_left, size_right = to_expr(source[i]), to_expr(target[j])
        i, j = i + 1, j + 1
        while size_left != size_right:
            grow_left = size_right.divide_exactly(size_left) is not None and i < len(source)
            grow_right = size_left.divide_exactly(size_right) is not None and j < len(target)
            if not grow_right and i < len(source):
                left.append(i)
                size_left, i = size_left * source[i], i + 1
            if not grow_left and j < len(target):
                right.append(j)
                size_right, j = size_right * target[j], j + 1
            if i == len(source) and j == len(target):
                break
        groups.append((left, right))
    if groups:
        groups[-1][0].extend(range(i, len(source)))
        groups[-1][1].extend(range(j, len(target)))
        return groups
    # One of the shapes is that of a scalar: nothing pairs up, everything has size 1.
    return []
