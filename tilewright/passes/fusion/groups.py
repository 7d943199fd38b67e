"""Grouping of the ops of a function into kernels: one pass over the ops in program order, with a cycle check on the group graph."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tilewright.core.mlir import ir
from tilewright.dialects import tw
from tilewright.passes.fusion.matmuls import has_vector_code, merging_pays, products_meet
from tilewright.passes.fusion.rules import (
    Role,
    Shape,
    domain_of,
    keeps_last_dim,
    merged_domain,
    reduces_last_only,
    role_of,
    without_units,
)


@dataclass(eq=False)
class Group:
    """Ops that become one kernel, in program order."""

    ops: list[ir.Operation]
    anchor: str | None = None
    domain: Shape | None = None
    has_rows: bool = False
    closed: bool = False
    """Nothing more may join: a column reduction, or an op that does not fuse."""
    ancestors: set[Group] = field(default_factory=set)

    @property
    def is_loop(self) -> bool:
        return self.anchor is None and self.domain is not None


class Grouping:
    """The grouping of one block. `groups` lists the kernels, `member` maps an op to its group."""

    def __init__(self, block: ir.Block, max_ops: int) -> None:
        self.max_ops = max_ops
        self.member: dict[ir.Operation, Group] = {}
        self.groups: list[Group] = []
        self.pending: set[ir.Operation] = set()
        """Inline and movement ops and casts of matmul operands, copied into the groups that use them."""
        ops = [op.operation for op in block.operations]
        self.returned = set(ops[-1].operands) if ops else set()
        for op in ops[:-1]:
            self._place(op)
        self._merge_products()
        for op in reversed(ops[:-1]):
            if tw.short_name(op) == "constant" and op in self.pending and self._serves_attention(op):
                self.pending.remove(op)
            elif op in self.pending and self._needs_own_kernel(op):
                self._new_group(op, closed=True)
        self._find_ancestors()

    def _place(self, op: ir.Operation) -> None:
        match role_of(op):
            case Role.OUTSIDE:
                return
            case Role.INLINE | Role.MOVEMENT:
                if not self._follow_anchor(op):
                    self.pending.add(op)
            case Role.ANCHOR:
                self._new_group(op, anchor=tw.short_name(op))
            case Role.POINTWISE:
                if self._join_epilogue(op) or self._join_loop(op):
                    return
                if self._casts_for_matmuls(op):
                    self.pending.add(op)
                else:
                    self._new_group(op, domain=domain_of(op))
            case Role.ROWS:
                if not reduces_last_only(op):
                    self._place_column_reduction(op)
                elif not self._join_loop(op):
                    self._new_group(op, domain=domain_of(op), rows=True)
            case Role.ALONE:
                self._new_group(op, closed=True)

    def _new_group(
        self, op: ir.Operation, *, anchor: str | None = None, domain: Shape | None = None, rows: bool = False, closed: bool = False
    ) -> Group:
        group = Group([op], anchor, domain, rows, closed)
        self.groups.append(group)
        self.member[op] = group
        group.ancestors = self._ancestors_through(op.operands)
        return group

    def _producers(self, op: ir.Operation) -> list[Group]:
        """Groups that produce operands of `op`, through pending ops (they would be copied along)."""
        found: list[Group] = []
        for value in op.operands:
            for group in self._groups_behind(value):
                if group not in found:
                    found.append(group)
        return found

    def _groups_behind(self, value: ir.Value) -> list[Group]:
        owner = value.owner
        if isinstance(owner, ir.Block):
            return []
        op = owner.operation
        if op in self.member:
            return [self.member[op]]
        return [g for v in op.operands for g in self._groups_behind(v)]

    def _ancestors_through(self, values: Iterable[ir.Value]) -> set[Group]:
        result: set[Group] = set()
        for value in values:
            for group in self._groups_behind(value):
                result |= group.ancestors
                result.add(group)
        return result

    def _join(self, op: ir.Operation, group: Group) -> None:
        group.ops.append(op)
        self.member[op] = group
        added = self._ancestors_through(op.operands) - {group}
        group.ancestors |= added
        for other in self.groups:
            if group in other.ancestors:
                other.ancestors |= added

    def _makes_cycle(self, op: ir.Operation, groups: Sequence[Group]) -> bool:
        """True when an operand of `op` depends on one of `groups`, which are or become one, through something outside them."""
        for value in op.operands:
            owner = value.owner
            if not isinstance(owner, ir.Block) and self.member.get(owner.operation) in groups:
                continue
            for behind in self._groups_behind(value):
                if any(group in behind.ancestors for group in groups):
                    return True
                if behind in groups and not self._only_copies_between(value, behind):
                    return True
        return False

    def _only_copies_between(self, value: ir.Value, group: Group) -> bool:
        owner = value.owner
        if isinstance(owner, ir.Block):
            return True
        op = owner.operation
        if op in self.member:
            return self.member[op] is group or group not in self.member[op].ancestors
        return role_of(op) is Role.INLINE and all(self._only_copies_between(v, group) for v in op.operands)

    def _single_use(self, value: ir.Value) -> bool:
        return value not in self.returned and len(list(value.uses)) == 1

    def _join_epilogue(self, op: ir.Operation) -> bool:
        """A pointwise op becomes part of an anchor's epilogue when it is the only user of the anchor's result and has its shape.

        Where it is that of two matmuls of one left side, as in a gated product, both become one group.
        """
        if tw.short_name(op) != "pointwise" or len(op.results) != 1:
            return False
        found: list[Group] = []
        for value in op.operands:
            owner = value.owner
            group = None if isinstance(owner, ir.Block) else self.member.get(owner.operation)
            if group is None or group.anchor != "matmul" or group.closed or group in found or not self._single_use(value):
                continue
            if tw.tensor_info(value).shape == domain_of(op) and len(group.ops) < self.max_ops and not self._makes_cycle(op, [group]):
                found.append(group)
        if not found:
            return False
        group, *others = found
        for other in others:
            if self._is_gate(group, other, op):
                group = self._merge(other, group)
                break
        self._join(op, group)
        return True

    def _is_gate(self, group: Group, other: Group, op: ir.Operation) -> bool:
        """Whether `op`, which uses results of both groups of one matmul, makes one kernel of them with one range of columns."""
        return (
            self._fit_together(group, other, 1)
            and products_meet(group.ops, other.ops)
            and has_vector_code([op])
            and not self._makes_cycle(op, [group, other])
        )

    def _merge_products(self) -> None:
        """Groups around matmuls of one left side become one, each with its own epilogue and results."""
        self._find_ancestors()
        candidates = [group for group in self.groups if group.anchor == "matmul"]
        while candidates:
            group, *rest = candidates
            form = list(group.ops)
            taken = [other for other in rest if merging_pays(form, other.ops) and self._merge_if_fits(group, other)]
            candidates = [other for other in rest if other not in taken]

    def _merge_if_fits(self, group: Group, other: Group) -> bool:
        if not self._fit_together(group, other, 0):
            return False
        self._merge(other, group)
        return True

    def _fit_together(self, group: Group, other: Group, more: int) -> bool:
        """Whether two groups and `more` ops are few enough for one kernel, and neither depends on the other."""
        few = len(group.ops) + len(other.ops) + more <= self.max_ops
        return few and group not in other.ancestors and other not in group.ancestors

    def _casts_for_matmuls(self, op: ir.Operation) -> bool:
        """True for a cast that matmuls alone use, as an operand: each converts while it loads."""
        uses = [use.owner.operation for r in op.results for use in r.uses]
        return tw.is_cast(op) and op.results[0] not in self.returned and bool(uses) and all(tw.is_op(user, "matmul") for user in uses)

    def _follow_anchor(self, op: ir.Operation) -> bool:
        """The transpose of an attention's only result is stored by the attention kernel itself."""
        if tw.short_name(op) != "transpose":
            return False
        owner = op.operands[0].owner
        group = None if isinstance(owner, ir.Block) else self.member.get(owner.operation)
        if group is None or group.anchor != "attention" or owner.operation != group.ops[-1]:
            return False
        if tw.get(op, "permutation") != (0, 2, 1, 3) or not self._single_use(op.operands[0]):
            return False
        self._join(op, group)
        return True

    def _join_loop(self, op: ir.Operation) -> bool:
        """Join the loop kernels that produce operands of `op`: all that fit become one."""
        rows = role_of(op) is Role.ROWS
        domain = domain_of(op)
        if tw.short_name(op) == "gather" or self._feeds_column_reduction(op):
            return False
        chosen: Group | None = None
        for group in sorted(self._producers(op), key=self.groups.index, reverse=True):
            if not group.is_loop or group.closed or not self._reads_rows_of(op, group) or self._makes_cycle(op, [group]):
                continue
            fitted = merged_domain(group.domain or (), domain, group.has_rows or rows)
            if fitted is None:
                continue
            if chosen is None:
                if len(group.ops) >= self.max_ops:
                    continue
                chosen, domain = group, fitted
            elif len(group.ops) + len(chosen.ops) < self.max_ops and chosen not in group.ancestors and group not in chosen.ancestors:
                chosen = self._merge(group, chosen)
                domain = fitted
        if chosen is None:
            return False
        chosen.domain = domain
        chosen.has_rows |= rows
        self._join(op, chosen)
        return True

    def _feeds_column_reduction(self, op: ir.Operation) -> bool:
        """True when the only user reduces over other than the last dimension: that kernel computes the op while it reads."""
        if not all(self._single_use(r) for r in op.results):
            return False
        users = [use.owner.operation for r in op.results for use in r.uses]
        return all(role_of(u) is Role.ROWS and not reduces_last_only(u) for u in users)

    def _merge(self, one: Group, other: Group) -> Group:
        order = {op: i for i, op in enumerate(self.member)}
        other.ops = sorted(other.ops + one.ops, key=order.__getitem__)
        for op in one.ops:
            self.member[op] = other
        other.has_rows |= one.has_rows
        other.ancestors |= one.ancestors
        other.ancestors -= {one, other}
        self.groups.remove(one)
        for group in self.groups:
            if one in group.ancestors or other in group.ancestors:
                group.ancestors = (group.ancestors - {one}) | other.ancestors | {other}
        return other

    def _reads_rows_of(self, op: ir.Operation, group: Group) -> bool:
        """Operands from `group` are read element by element (directly or through unit reshapes), not moved."""
        for value in op.operands:
            owner = value.owner
            while not isinstance(owner, ir.Block) and owner.operation in self.pending:
                if role_of(owner.operation) is Role.MOVEMENT and group in self._groups_behind(owner.operation.results[0]):
                    return False
                if not owner.operation.operands:
                    break
                owner = owner.operation.operands[0].owner
        return True

    def _place_column_reduction(self, op: ir.Operation) -> None:
        """A reduction over other than the last dimension takes its pointwise producers along when nothing else uses them."""
        shape = domain_of(op)
        for group in self._producers(op):
            last = group.ops[-1]
            movable = (
                group.is_loop
                and not group.closed
                and not group.has_rows
                and without_units(group.domain or ()) == without_units(shape)
                and all(self._single_use(r) for r in last.results)
                and all(self._used_inside(o, group) for o in group.ops[:-1])
                and self._reads_rows_of(op, group)
                and not self._makes_cycle(op, [group])
            )
            if movable and tw.short_name(op) == "reduce":
                self._join(op, group)
                group.closed = True
                return
        self._new_group(op, domain=shape, rows=True, closed=True)

    def _used_inside(self, op: ir.Operation, group: Group) -> bool:
        return all(r not in self.returned and all(self.member.get(use.owner.operation) is group for use in r.uses) for r in op.results)

    def _needs_own_kernel(self, op: ir.Operation) -> bool:
        """A pending op that cannot be copied into all its users: someone outside kernels needs it, or a kernel cannot fold it.

        A unit reshape never does: outside kernels it is an alias.
        """
        if role_of(op) is Role.INLINE and tw.short_name(op) == "reshape":
            return False
        users = self._final_users(op)
        if None in users or (role_of(op) is Role.INLINE and self._serves_attention(op)):
            return True
        return role_of(op) is not Role.INLINE and not all(self._foldable(op, group) for group in users if group is not None)

    def _serves_attention(self, op: ir.Operation) -> bool:
        """True when an attention uses an op: it reads all its operands from memory. A constant stays outside kernels then."""
        return any(group is not None and group.anchor == "attention" for group in self._final_users(op))

    def _final_users(self, op: ir.Operation) -> set[Group | None]:
        """Groups that use an op, also through other pending ops; None stands for a user outside kernels."""
        found: set[Group | None] = set()
        for result in op.results:
            if result in self.returned:
                found.add(None)
            for use in result.uses:
                user = use.owner.operation
                if user in self.member:
                    found.add(self.member[user])
                elif user in self.pending:
                    found |= self._final_users(user)
                else:
                    found.add(None)
        return found

    def _foldable(self, op: ir.Operation, group: Group) -> bool:
        """Movement is folded into anchors that read operands by strides, and into loops when rows stay contiguous; casts into matmuls."""
        if group.anchor is None:
            return keeps_last_dim(op)
        if role_of(op) is Role.POINTWISE:
            return group.anchor == "matmul"
        read = (self._read_by(anchor) for anchor in group.ops if role_of(anchor) is Role.ANCHOR)
        return tw.short_name(op) == "transpose" and keeps_last_dim(op) and any(op.results[0] in values for values in read)

    def _read_by(self, anchor: ir.Operation) -> set[ir.Value]:
        """The operands of an anchor, and what is behind the casts that it takes in."""
        casts = [v.owner.operation for v in anchor.operands if not isinstance(v.owner, ir.Block) and tw.is_cast(v.owner.operation)]
        return {*anchor.operands, *(cast.operands[0] for cast in casts if cast in self.pending and cast not in self.member)}

    def _find_ancestors(self) -> None:
        """Ancestors of all groups anew, once every op has its place."""
        direct = {group: {g for op in group.ops for v in op.operands for g in self._groups_behind(v)} - {group} for group in self.groups}
        order: list[Group] = []
        seen: set[Group] = set()
        for root in self.groups:
            stack = [(root, iter(direct[root]))]
            while stack:
                group, rest = stack[-1]
                following = None if group in seen else next((g for g in rest if g not in seen), None)
                if following is not None:
                    stack.append((following, iter(direct[following])))
                    continue
                if group not in seen:
                    seen.add(group)
                    order.append(group)
                stack.pop()
        for group in order:
            group.ancestors = direct[group].union(*(g.ancestors for g in direct[group]))
