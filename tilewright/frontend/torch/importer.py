"""`import_exported`: a `torch.export` program as a level 1 `tw` program.

The graph is imported as exported (training IR), without torch's decompositions, when every op in it has a handler and none
mutates: that saves seconds and keeps high-level ops. Otherwise torch functionalizes and decomposes it first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import ConstantArgument, InputKind, OutputKind, SymIntArgument, TensorArgument

from tilewright.core.diagnostics import UnsupportedError, VerifyError
from tilewright.core.mlir import ir, new_context
from tilewright.core.symbolic import Expr
from tilewright.dialects import tw
from tilewright.dialects.tw import TensorInfo
from tilewright.frontend.contract import check_program
from tilewright.frontend.program import Program, Structure
from tilewright.frontend.torch.emitter import Emitter, Rejected
from tilewright.frontend.torch.graph import arguments_read, decompose, live_nodes, mutates
from tilewright.frontend.torch.locations import node_location
from tilewright.frontend.torch.ops import HANDLERS
from tilewright.frontend.torch.private import OpOverload, keyword_only
from tilewright.frontend.torch.registry import target_name
from tilewright.frontend.torch.structure import leaf_names, nest
from tilewright.frontend.torch.symbols import SymbolTable, is_symbolic
from tilewright.frontend.torch.unsupported import Report
from tilewright.frontend.torch.weights import WeightTable, tensor_to_array

_MISSING: Any = object()
"""The value of a node that could not be imported and has no stand-in."""

_MUTATIONS = {
    OutputKind.BUFFER_MUTATION: "the buffer",
    OutputKind.PARAMETER_MUTATION: "the parameter",
    OutputKind.USER_INPUT_MUTATION: "the input",
}


def import_exported(program: ExportedProgram, *, origin: str = "", context: ir.Context | None = None) -> Program:
    """Import an exported program. `origin` names it in messages and in `Program.origin`.

    Raises UnsupportedError, which lists everything that can't be imported and has it machine-readably in `error.records`;
    InputError for weights without values.
    """
    report = Report()
    if not mutates(program):
        result = _GraphImport(program, report, context or new_context()).run(origin)
        if result is not None:
            return result
        if not report.decomposable_ops:
            raise report.error(origin)
    try:
        decomposed = decompose(program, report.decomposable_ops)
    except Exception as error:
        if report:
            raise report.error(origin) from error
        raise UnsupportedError(
            "torch can't bring the program into functional form", where=origin, why=f"{type(error).__name__}: {error}"
        ) from error
    report = Report()
    result = _GraphImport(decomposed, report, context or new_context()).run(origin)
    if result is None:
        raise report.error(origin)
    return result


class _GraphImport:
    """One attempt to import one program."""

    def __init__(self, program: ExportedProgram, report: Report, context: ir.Context) -> None:
        self.program = program
        self.report = report
        self.context = context
        self.symbols = SymbolTable(program.range_constraints)
        self.weights = WeightTable(program)
        self.emit = Emitter(self.symbols, self.inline, self.weights.non_negative)
        self.values: dict[torch.fx.Node, Any] = {}
        tw.load(context)

    def run(self, origin: str) -> Program | None:
        """The program, or None when the report has entries."""
        graph = self.program.graph
        placeholders = {n.name: n for n in graph.nodes if n.op == "placeholder"}
        with self.context, ir.Location.unknown(self.context):
            infos, names, input_leaves = self._inputs(placeholders)
            if self.report:
                return None
            module = ir.Module.create()
            with ir.InsertionPoint(module.body):
                function = ir.Operation.create(
                    "func.func",
                    regions=1,
                    attributes={
                        "sym_name": ir.StringAttr.get("main"),
                        "function_type": ir.TypeAttr.get(ir.FunctionType.get([], [])),
                    },
                )
            types = [tw.tensor_type(info) for info in infos]
            locs = [ir.Location.name(name) for name in names]
            block = function.regions[0].blocks.append(*types, arg_locs=locs)
            for name, argument in zip(names, block.arguments):
                self.values[placeholders[name]] = argument
            with ir.InsertionPoint(block):
                self._nodes(graph)
                results, output_leaves = self._outputs(graph)
                self._check_symbols(infos, placeholders, names)
                if self.report:
                    return None
                ir.Operation.create("func.return", operands=results)
            in_spec, out_spec = self.program.call_spec.in_spec, self.program.call_spec.out_spec
            input_structure = nest(in_spec, iter(input_leaves)) if in_spec is not None else None
            output_structure = nest(out_spec, iter(output_leaves)) if out_spec is not None else None
            output_names = _unique([leaf_names(output_structure).get(i, f"output_{i}") for i in range(len(results))])
            self._finish(function, names, output_names, results)
        result = Program(
            module,
            self.context,
            self.weights.arrays(),
            names,
            output_names,
            input_structure,
            output_structure,
            origin,
            {alias: name for alias, name in self.weights.aliases.items() if name in self.weights.used},
        )
        check_program(result)
        return result

    # The signature

    def _inputs(self, placeholders: dict[str, torch.fx.Node]) -> tuple[list[TensorInfo], list[str], list[Structure]]:
        """Types and names of the tensor inputs, and the leaves of the input structure."""
        infos: list[TensorInfo] = []
        names: list[str] = []
        leaves: list[Structure] = []
        for spec in self.program.graph_signature.input_specs:
            if spec.kind in (InputKind.TOKEN, InputKind.CUSTOM_OBJ):
                self.report.add(placeholders[spec.arg.name], "the program uses a custom object", "pass tensors only")
            if spec.kind is not InputKind.USER_INPUT:
                continue
            argument = spec.arg
            if isinstance(argument, TensorArgument):
                node = placeholders[argument.name]
                try:
                    infos.append(self.symbols_of_input(node))
                except UnsupportedError as error:
                    self.report.add(node, f"the input '{argument.name}': {error.what}", error.remedy)
                leaves.append(len(names))
                names.append(argument.name)
            elif isinstance(argument, ConstantArgument):
                leaves.append(None if argument.value is None else {"kind": "constant", "value": argument.value})
            elif isinstance(argument, SymIntArgument):
                node = placeholders[argument.name]
                self.report.add(
                    node, f"the input '{argument.name}' is a number that may change", "fix its value in the export, or make it a tensor"
                )
            else:
                self.report.add(placeholders[argument.name], f"an input of kind {type(argument).__name__}", "pass tensors only")
        return infos, names, leaves

    def symbols_of_input(self, node: torch.fx.Node) -> TensorInfo:
        """The type of an input; names its symbols."""
        return self.emit.info_of(node.meta["val"])

    def _check_symbols(self, infos: Sequence[TensorInfo], placeholders: dict[str, torch.fx.Node], names: Sequence[str]) -> None:
        """Each symbol must be a whole dimension of an input: that is where its value is read."""
        bound = {str(d) for info in infos for d in info.shape if isinstance(d, Expr)}
        for symbol in self.symbols.ranges:
            if symbol in bound:
                continue
            uses = [(n, d) for n, info in zip(names, infos) for d in info.shape if isinstance(d, Expr) and symbol in d.symbols()]
            name, dim = uses[0] if uses else ("", "")
            where = f"; input '{name}' has a dimension {dim}" if uses else ""
            node = placeholders[name] if uses else next(iter(self.program.graph.nodes))
            self.report.add(
                node,
                f"the size {self.symbols.torch_name(symbol)} is not a whole dimension of any input{where}",
                "export with a Dim that is the dimension itself, not an expression of another Dim",
            )

    def _outputs(self, graph: torch.fx.Graph) -> tuple[list[ir.Value], list[Structure]]:
        """The results, and the leaves of the output structure."""
        output = next(n for n in reversed(graph.nodes) if n.op == "output")
        results: list[ir.Value] = []
        leaves: list[Structure] = []
        for spec, node in zip(self.program.graph_signature.output_specs, output.args[0]):
            if spec.kind in _MUTATIONS:
                source = node if isinstance(node, torch.fx.Node) else output
                self.report.add(
                    source,
                    f"the program updates {_MUTATIONS[spec.kind]} '{spec.target}' in place",
                    "return the new value as an output, and give it as an input in the next call",
                )
                continue
            if not isinstance(node, torch.fx.Node):
                leaves.append(None if node is None else {"kind": "constant", "value": node})
                continue
            self._locate(node)
            value = self.value(node)
            if isinstance(value, ir.Value):
                leaves.append(len(results))
                results.append(value)
            elif isinstance(value, Expr):
                leaves.append({"kind": "size", "expr": str(value)})
            elif value is None or isinstance(value, bool | int | float | str):
                leaves.append(None if value is None else {"kind": "constant", "value": value})
            elif value is not _MISSING:
                self.report.add(node, "a result that is computed from sizes but is no integer", "return a tensor")
        return results, leaves

    def _finish(self, function: ir.Operation, names: Sequence[str], output_names: Sequence[str], results: Sequence[ir.Value]) -> None:
        def named(values: Sequence[str]) -> ir.ArrayAttr:
            return ir.ArrayAttr.get([ir.DictAttr.get({"tw.name": ir.StringAttr.get(v)}) for v in values])

        arguments = function.regions[0].blocks[0].arguments
        signature = ir.FunctionType.get([a.type for a in arguments], [r.type for r in results])
        function.attributes["function_type"] = ir.TypeAttr.get(signature)
        if names:
            function.attributes["arg_attrs"] = named(names)
        if output_names:
            function.attributes["res_attrs"] = named(output_names)
        if self.symbols.ranges:
            function.attributes["tw.symbols"] = tw.symbols_attribute(self.symbols.ranges)

    # Nodes

    def inline(self, module: torch.fx.GraphModule, operands: Sequence[Any]) -> list[Any]:
        """Import a subgraph whose placeholders stand for `operands`."""
        placeholders = [n for n in module.graph.nodes if n.op == "placeholder"]
        self.values.update(zip(placeholders, operands))
        outer = self.emit.node, self.emit.loc
        self._nodes(module.graph)
        output = next(n for n in reversed(module.graph.nodes) if n.op == "output")
        results = self._resolve(output.args[0])
        self.emit.node, self.emit.loc = outer
        return list(results) if isinstance(results, list | tuple) else [results]

    def _nodes(self, graph: torch.fx.Graph) -> None:
        live = live_nodes(graph)
        for node in graph.nodes:
            if node in live and node.op == "call_function":
                self.values[node] = self._call(node)
            elif node in live and node.op == "get_attr":
                self.values[node] = self._attribute(node, getattr(graph.owning_module, node.target))

    def _attribute(self, node: torch.fx.Node, value: Any) -> Any:
        """What a graph holds: a subgraph as it is, a tensor (the constants of subgraphs are not inputs of the program) as a constant."""
        if not isinstance(value, torch.Tensor):
            return value
        self._locate(node)
        return tw.constant(tensor_to_array(value), loc=self.emit.loc)

    def _locate(self, node: torch.fx.Node) -> None:
        self.emit.node = node
        self.emit.loc = node_location(node)

    def _call(self, node: torch.fx.Node) -> Any:
        expected = node.meta.get("val")
        try:
            if isinstance(expected, torch.SymInt):
                return self.symbols.dim(expected)
            if is_symbolic(expected) or (isinstance(expected, bool | int | float) and target_name(node.target) not in HANDLERS):
                return expected
            self._locate(node)
            handler = HANDLERS.get(target_name(node.target))
            if handler is None:
                self.report.add_unknown(node)
                return self._stand_in(expected)
            args, kwargs = self._arguments(node)
            if _contains_missing(args) or _contains_missing(list(kwargs.values())):
                return self._stand_in(expected)
            result = handler(self.emit, *args, **kwargs)
        except Rejected as rejected:
            self._locate(node)
            self.report.add(node, rejected.reason, rejected.remedy, rejected.decomposable)
            return self._stand_in(expected)
        except (UnsupportedError, VerifyError) as error:
            self._locate(node)
            self.report.add(node, error.what, error.remedy, decomposable=True)
            return self._stand_in(expected)
        if isinstance(expected, torch.Tensor):
            self._check_result(node, result)
        return result

    def _arguments(self, node: torch.fx.Node) -> tuple[list[Any], dict[str, Any]]:
        """Arguments by position, and the keyword-only ones of the op's schema by name."""
        args = [self._resolve(a) for a in arguments_read(node)]
        kwargs = {name: self._resolve(a) for name, a in node.kwargs.items()}
        if kwargs and isinstance(node.target, OpOverload):
            for name, by_keyword in keyword_only(node.target)[len(args) :]:
                if by_keyword or name not in kwargs:
                    break
                args.append(kwargs.pop(name))
        return args, kwargs

    def _resolve(self, argument: Any) -> Any:
        if isinstance(argument, torch.fx.Node):
            value = self.value(argument)
            if is_symbolic(value) and target_name(self.emit.node.target) not in ("aten._assert_scalar.default",):
                self.emit.reject(f"a number that is computed from sizes but is no integer ({argument.name})", "compute it from tensors")
            return value
        if isinstance(argument, list | tuple):
            return [self._resolve(a) for a in argument]
        if isinstance(argument, slice):
            return slice(*(self._resolve(a) for a in (argument.start, argument.stop, argument.step)))
        return argument

    def value(self, node: torch.fx.Node) -> Any:
        """What a node stands for. Weights are built where they are first used."""
        if node not in self.values:
            if node.op == "placeholder" and node.name in self.weights.tensors:
                self.values[node] = self.weights.build(node.name, self.emit.loc)
            else:
                self.values[node] = self._constant_input(node)
        return self.values[node]

    def _constant_input(self, node: torch.fx.Node) -> Any:
        value = node.meta.get("val")
        return value if value is None or isinstance(value, bool | int | float | str) else _MISSING

    def _stand_in(self, expected: Any) -> Any:
        """A value of the right type for a node that was rejected, so that the rest of the graph is checked too."""
        if isinstance(expected, list | tuple):
            return [self._stand_in(e) for e in expected]
        if not isinstance(expected, torch.Tensor):
            return expected if expected is None or isinstance(expected, bool | int | float) else _MISSING
        try:
            info = self.emit.info_of(expected)
            return self.emit.full(info.shape, 0, info.dtype)
        except (UnsupportedError, VerifyError):
            return _MISSING

    def _check_result(self, node: torch.fx.Node, result: Any) -> None:
        """Every value has the type that torch computed for it; anything else is an error of this importer."""
        expected = self.emit.info_of(node.meta["val"])
        actual = tw.tensor_info(result) if isinstance(result, ir.Value) else None
        if actual != expected:
            raise VerifyError(
                f"the importer of {target_name(node.target)} made {actual or type(result).__name__}, torch says {expected}",
                where=tw.location_text(self.emit.loc),
                remedy="this is an error in Tilewright: please report it with the exported program",
            )


def _contains_missing(values: Any) -> bool:
    if values is _MISSING:
        return True
    return isinstance(values, list | tuple) and any(_contains_missing(v) for v in values)


def _unique(names: Sequence[str]) -> list[str]:
    """Names made unique by numbers."""
    taken: set[str] = set()
    result: list[str] = []
    for name in names:
        candidate, number = name, 1
        while candidate in taken:
            candidate, number = f"{name}_{number}", number + 1
        taken.add(candidate)
        result.append(candidate)
    return result
