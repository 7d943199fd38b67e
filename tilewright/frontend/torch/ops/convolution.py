"""Convolutions that are matrix products: windows that do not overlap (patch embeddings) and windows of one element."""

from __future__ import annotations

from collections.abc import Sequence

from tilewright.core.mlir import ir
from tilewright.core.symbolic import call, product, simplify_dim, to_expr
from tilewright.dialects import tw
from tilewright.frontend.torch import scalars as sc
from tilewright.frontend.torch.emitter import Emitter
from tilewright.frontend.torch.ops.linear import sums_of_products
from tilewright.frontend.torch.registry import imports


@imports("aten.convolution.default")
def convolution(
    emit: Emitter,
    x: ir.Value,
    weight: ir.Value,
    bias: ir.Value | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> ir.Value:
    if transposed:
        emit.reject("a transposed convolution")
    return _convolve(emit, x, weight, bias, stride, padding, dilation, groups)


@imports("aten.conv1d.default", "aten.conv2d.default", "aten.conv3d.default", "aten.conv1d.padding", "aten.conv2d.padding",
         "aten.conv3d.padding")  # fmt: skip
def conv(
    emit: Emitter,
    x: ir.Value,
    weight: ir.Value,
    bias: ir.Value | None = None,
    stride: Sequence[int] | int = 1,
    padding: Sequence[int] | int | str = 0,
    dilation: Sequence[int] | int = 1,
    groups: int = 1,
) -> ir.Value:
    return _convolve(emit, x, weight, bias, stride, 0 if padding == "valid" else padding, dilation, groups)


def _convolve(
    emit: Emitter,
    x: ir.Value,
    weight: ir.Value,
    bias: ir.Value | None,
    stride: Sequence[int] | int,
    padding: Sequence[int] | int | str,
    dilation: Sequence[int] | int,
    groups: int,
) -> ir.Value:
    """`x[N, C, *spatial]`, `weight[O, C, *kernel]`: each window is a row of one matrix product with `weight[O, C * kernel]`."""
    kernel = tw.tensor_info(weight).shape[2:]
    rank = len(kernel)

    def per_dimension(value: Sequence[int] | int) -> list[int]:
        return [value] * rank if isinstance(value, int) else [*value, *[value[0]] * (rank - len(value))]

    windows_touch = not isinstance(padding, str) and list(kernel) == per_dimension(stride) and not any(per_dimension(padding))
    if not windows_touch or groups != 1 or (set(per_dimension(dilation)) != {1} and any(k != 1 for k in kernel)):
        emit.reject(
            f"a convolution of kernel {list(kernel)}, stride {stride}, padding {padding}, dilation {dilation}, groups {groups}",
            "supported: kernel = stride, no padding, groups = 1",
        )
    batched = tw.tensor_info(x).rank == rank + 2
    x = x if batched else emit.unsqueeze(x, 0)
    n, channels, *spatial = tw.tensor_info(x).shape
    counts = [call("floordiv", size, k) for size, k in zip(spatial, kernel)]
    for d, (count, k) in enumerate(zip(counts, kernel)):
        x = emit.slice(x, d + 2, 0, simplify_dim(to_expr(count) * k))
    x = emit.reshape(x, [n, channels, *(part for pair in zip(counts, kernel) for part in pair)])
    order = [0, *(2 + 2 * d for d in range(rank)), 1, *(3 + 2 * d for d in range(rank))]
    inner = product([channels, *kernel])
    rows = emit.reshape(emit.transpose(x, order), [n, product(counts), inner])
    outputs = tw.tensor_info(weight).shape[0]
    result = sums_of_products(emit, rows, emit.reshape(weight, [outputs, inner]), transpose_rhs=True)
    result = emit.cast(result, emit.dtype) if bias is None else emit.map(sc.add, result, bias)
    return emit.reshape(emit.transpose(result, [0, 2, 1]), [*([n] if batched else []), outputs, *counts])
