"""Constants, splats, index sequences and known weights."""

from __future__ import annotations

import numpy as np
import pytest
from tw_programs import binary, broadcast, check, iota, reshape, slice_, transpose, typed, unary, with_number

from tilewright.core.mlir import ir
from tilewright.dialects import tw

pytestmark = pytest.mark.usefixtures("context")

X = typed("s0, s1")


def _constant(values: list[float]) -> ir.Value:
    return tw.constant(np.asarray(values, np.float32))


def test_sizes_that_are_numbers() -> None:
    result = check([X], lambda x: [x, tw.build("dim", expr=7)], "tw-fold-constants")
    assert result.ops == {"constant": 1}


def test_ops_on_constants_are_evaluated() -> None:
    def body(x: ir.Value) -> ir.Value:
        total = tw.build("reduce", unary("exp", _constant([0.0, 1.0, 2.0])), dims=(0,), kind="add")
        return binary("mulf", x, total)

    result = check([X], body)
    assert result.ops == {"pointwise": 1}
    assert result.regions() == ["mulf(%0, 11.107337951660156:f32)"]


@pytest.mark.parametrize("dtype", ["f32", "f64", "i64", "i32", "i8", "i1"])
def test_evaluated_constants_of_every_type(dtype: str) -> None:
    values = np.array([[0, 1, 1], [1, 0, 0]], tw.numpy_dtype(dtype))
    result = check([X], lambda x: [x, transpose(tw.constant(values), 1, 0)], "tw-fold-constants")
    assert result.ops == {"constant": 1}


def test_large_results_are_not_evaluated() -> None:
    result = check([X], lambda x: [x, broadcast(_constant([1.0, 2.0]), "1024, 2")], "tw-fold-constants")
    assert result.ops == {"constant": 1, "broadcast": 1}


def test_wrong_indices_are_left_to_the_run() -> None:
    from tw_programs import make_program

    from tilewright.core.pass_manager import run_pipeline

    module = make_program(
        [X], lambda x: [x, tw.build("gather", _constant([1.0, 2.0]), [tw.constant(np.asarray([5], np.int64))], axes=(0,))]
    )
    run_pipeline(module, "tw-simplify")
    assert "tw.gather" in str(module)


@pytest.mark.parametrize(
    "move",
    [
        lambda v: reshape(v, "s1, s0"),
        lambda v: transpose(v, 1, 0),
        lambda v: broadcast(v, "4, s0, s1"),
        lambda v: slice_(v, "0, 1", "s0, s1 - 1"),
        lambda v: tw.build("concat", [v, v], dim=0),
        lambda v: tw.build("pad", v, low=(1, 0), high=(0, 2), value=1.5),
        lambda v: tw.build("reverse", v, dims=(0,)),
        lambda v: tw.build("gather", v, [tw.build("iota", shape=(2,), dim=0)], axes=(1,)),
    ],
)
def test_one_number_stays_one_number(move: object) -> None:
    fill = lambda: tw.pointwise([tw.constant(1.5, "f32")], lambda a: a, shape=X.shape)  # noqa: E731
    result = check([X], lambda x: [x, move(fill())])  # type: ignore[operator]
    assert result.ops == {"pointwise": 1}


def test_padding_with_another_number_stays() -> None:
    result = check([X], lambda x: [x, tw.build("pad", tw.constant(np.ones((2, 2), np.float32)), low=(1, 0), high=(0, 0))])
    assert result.ops == {"constant": 1}  # small: evaluated


def test_index_sequences_become_iota() -> None:
    def body(x: ir.Value) -> list[ir.Value]:
        index = iota("s1", 0)
        return [
            x,
            reshape(with_number("addi", index, 0), "1, s1, 1"),
            slice_(index, "1", "s1 - 1"),
            slice_(with_number("muli", index, 3), "0", "2"),
        ]

    result = check([X], body)
    assert result.ops == {"iota": 3, "pointwise": 2}


def test_concatenated_sequences_continue() -> None:
    """What `torch.diff` of positions is made of: it is 1 everywhere."""

    def body(x: ir.Value) -> list[ir.Value]:
        index = broadcast(iota("s1", 0), "s0, s1")
        before = broadcast(tw.constant(np.full((1, 1), -1, np.int64)), "s0, 1")
        joined = tw.build("concat", [before, index], dim=1)
        return [x, binary("subi", slice_(joined, "0, 1", "s0, s1"), slice_(joined, "0, 0", "s0, s1"))]

    result = check([X], body)
    assert result.ops == {"pointwise": 1}
    assert result.regions() == ["1:i64"]


def test_running_sums_of_one_number() -> None:
    ones = lambda: tw.pointwise([tw.constant(0, "i64")], lambda a: a, shape=X.shape)  # noqa: E731
    result = check([X], lambda x: [x, tw.build("scan", ones(), dim=1)])
    assert result.regions() == ["0:i64"]


def test_iota_of_one_element_is_zero() -> None:
    result = check([X], lambda x: [x, iota("1, 1", 0)])
    assert result.ops == {"constant": 1}


POSITIONS = np.arange(64, dtype=np.int64)[None]


def test_known_weights_that_are_structure() -> None:
    values = {
        "positions": POSITIONS,
        "types": np.zeros((1, 64), np.int64),
        "table": np.array([3, 1, 2], np.int64),
        "every_second": np.arange(5, 25, 2, dtype=np.int32),
        "flags": np.array([True, True]),
        "real": np.zeros(3, np.float32),
        "data": np.array([1] * 2000 + [2], np.int64),
    }

    def body(x: ir.Value) -> list[ir.Value]:
        return [x, *(tw.weight(n, tw.TensorInfo(tuple(v.shape), tw.dtype_of_array(v))) for n, v in values.items())]

    result = check([X], body, "tw-fold-weights", known_weights=values)
    assert result.ops == {"iota": 2, "constant": 3, "pointwise": 1}
    assert sum(tw.is_op(o, "weight") for o in result.body) == 2
    unknown = check([X], body, "tw-fold-weights", weights=values)
    assert unknown.ops == {}


def test_masks_that_are_bands() -> None:
    """Buffers with causal masks and windows become comparisons of positions; another matrix stays."""
    ones = np.ones((1, 1, 40, 40), bool)
    causal, window = np.tril(ones), np.tril(ones) ^ np.tril(ones, -8)
    holed = causal.copy()
    holed[0, 0, 30, 4] = False
    values = {"causal": causal, "window": window, "later": ~causal, "holed": holed, "batch": np.tril(np.ones((2, 40, 40), bool))}

    def body(x: ir.Value) -> list[ir.Value]:
        return [x, *(tw.weight(n, tw.TensorInfo(tuple(v.shape), tw.dtype_of_array(v))) for n, v in values.items())]

    result = check([X], body, "tw-fold-weights,tw-cse", known_weights=values)
    assert result.ops == {"iota": 2, "pointwise": 3}
    assert sum(tw.is_op(o, "weight") for o in result.body) == 2


def test_a_causal_buffer_is_an_attribute_of_attention() -> None:
    def body(q: ir.Value) -> ir.Value:
        mask = slice_(tw.weight("bias", typed("1, 1, 64, 64", "i1")), "0, 0, 0, 0", "1, 1, s1, s1")
        return tw.build("attention", q, q, q, mask, scale=0.5)

    known = {"bias": np.tril(np.ones((1, 1, 64, 64), bool))}
    result = check([typed("s0, 2, s1, 4")], body, "tw-simplify,tw-recover", known_weights=known)
    assert result.ops == {"attention": 1} and tw.get(result.find("attention"), "causal")


def test_embeddings_of_positions_and_types() -> None:
    """BERT: position numbers are a buffer, token types a gather from zeros by positions."""
    floats = np.random.default_rng(0).standard_normal((64, 4)).astype(np.float32)

    def body(x: ir.Value) -> ir.Value:
        positions = slice_(tw.weight("position_ids", typed("1, 64", "i64")), "0, 0", "1, s1")
        types = tw.build("gather", tw.weight("token_type_ids", typed("1, 64", "i64")), [iota("1, s1", 0), positions], axes=(0, 1))
        table = tw.build("gather", tw.weight("types", typed("2, 4")), [broadcast(types, "s0, s1")], axes=(0,))
        rows = tw.build("gather", tw.weight("positions", typed("64, 4")), [positions], axes=(0,))
        return binary("addf", binary("addf", reshape(x, "s0, s1, 1"), table), rows)

    known = {"position_ids": POSITIONS, "token_type_ids": np.zeros((1, 64), np.int64)}
    result = check([X], body, weights={"types": floats[:2], "positions": floats}, known_weights=known)
    assert result.ops == {"reshape": 1, "slice": 2, "pointwise": 2}


def test_unused_ops_go_and_writes_stay() -> None:
    def body(x: ir.Value) -> ir.Value:
        unary("exp", transpose(x, 1, 0))
        state = tw.build("state_read", name="cache", results=[typed("4, 2")])
        tw.build("state_update", state, tw.constant(np.ones((1, 2), np.float32)), tw.constant(0, "i64"), dim=0)
        return x

    result = check([X], body, "tw-dce", weights={"cache": np.zeros((4, 2), np.float32)})
    assert result.ops == {"state_read": 1, "state_update": 1, "constant": 2}


def test_equal_ops_are_one() -> None:
    def body(x: ir.Value) -> list[ir.Value]:
        first = unary("exp", transpose(x, 1, 0))
        second = unary("exp", transpose(x, 1, 0))
        return [first, second, tw.build("softmax", second, dim=0), tw.build("softmax", first, dim=1)]

    result = check([X], body, "tw-cse")
    assert result.ops == {"transpose": 1, "pointwise": 1, "softmax": 2}
    reads = check(
        [X],
        lambda x: [x, *(tw.build("state_read", name="c", results=[typed("2")]) for _ in range(2))],
        "tw-cse",
        weights={"c": np.zeros(2, np.float32)},
    )
    assert reads.ops == {"state_read": 2}
