"""What the frontend relies on in torch without a public name: these fail first when a new torch changes it."""

from __future__ import annotations

import torch
from torch_reference import export_function

from tilewright.frontend.torch import private
from tilewright.frontend.torch.ops import HANDLERS
from tilewright.frontend.torch.registry import target_name


def test_names_of_ops() -> None:
    assert isinstance(torch.ops.aten.add.Tensor, private.OpOverload)
    assert target_name(torch.ops.aten.add.Tensor) == "aten.add.Tensor"
    assert target_name(torch.ops.higher_order.wrap_with_set_grad_enabled) == "wrap_with_set_grad_enabled"


def test_schemas() -> None:
    assert private.writes_to_arguments(torch.ops.aten.add_.Tensor)
    assert not private.writes_to_arguments(torch.ops.aten.add.Tensor)
    assert private.keyword_only(torch.ops.aten.add.Tensor) == [("self", False), ("other", False), ("alpha", True)]


def test_results_that_share_memory() -> None:
    assert private.returns_alias(torch.ops.aten.view.default)
    assert not private.returns_alias(torch.ops.aten.add.Tensor)


def test_types_of_other_inputs() -> None:
    program = export_function(lambda x: x * 2, torch.ones(3, dtype=torch.bfloat16))
    with next(n.meta["val"] for n in program.graph.nodes if n.op == "placeholder").fake_mode:
        fake = torch.empty(3)
    graph = private.propagate_types(program.graph_module, [fake]).graph
    assert next(n for n in graph.nodes if n.op == "call_function").meta["val"].dtype == torch.float32


def test_version_of_the_file_format() -> None:
    assert private.schema_version()[0] == 8


def test_containers() -> None:
    assert private.is_known_container("builtins.dict")
    assert not private.is_known_container("no.such.Class")


def test_every_handler_is_for_an_op_that_exists() -> None:
    for name in HANDLERS:
        parts = name.split(".")
        if len(parts) == 3 and parts[0] in ("aten", "prims"):
            overload = getattr(getattr(getattr(torch.ops, parts[0]), parts[1], None), parts[2], None)
            assert overload is not None, name


def test_what_an_exported_node_carries() -> None:
    exported = export_function(torch.nn.Linear(3, 2), torch.randn(2, 3))
    (linear,) = [n for n in exported.graph.nodes if n.op == "call_function"]
    assert isinstance(linear.meta["val"], torch.Tensor)
    assert "File " in linear.meta["stack_trace"]
    assert list(linear.meta["nn_module_stack"].values())[-1][0] == ""
    assert type(exported.call_spec.out_spec).__name__ in ("TreeSpec", "LeafSpec")


def test_decomposition_table_can_be_cut() -> None:
    table = torch.export.default_decompositions()
    assert torch.ops.aten.scaled_dot_product_attention.default in table
    del table[torch.ops.aten.scaled_dot_product_attention.default]
    assert torch.ops.aten.scaled_dot_product_attention.default not in table
