"""Finds where a generic fault can be planted into a method's source, and what the faulty source would be."""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

EPOCH = re.compile(r"epoch|schedule|start|begin|warm|past|since|first|phase|len\(|count|size|num_")
"""Names of whole numbers, for which `<` and `<=` differ."""
PLAIN_CALLS = ("register_buffer", "build", "append", "__init__", "report", "report_all", "report_transition")
"""Calls whose loss stops the program at once, or that only tell what was done."""
NO_ORDER = ("max", "min", "equal", "isclose", "allclose", "zip", "maximum", "minimum")
"""Calls whose first two arguments may change places."""
OTHER_KINDS = ("isinstance", "getattr", "register_buffer", "optimizer", "network", "update", "copy_", "range", "super")
"""Calls whose first two arguments are of different kinds, so that an exchange stops the program at once."""
REDUCTIONS = {"mean": "sum", "sum": "mean", "argmax": "argmin", "argmin": "argmax", "amax": "amin", "amin": "amax"}
COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.GtE,
    ast.GtE: ast.Lt,
    ast.Gt: ast.LtE,
    ast.LtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
}
BOUNDARIES: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
}


LENGTHS = ("phases", "lengths", "memories")
"""What a card says of a method that computes something."""


@dataclass(frozen=True)
class Mutant:
    """One planted fault."""

    module: str
    """Such as "methods.gce"."""
    line: int
    """Line of the fault, from 1."""
    fault: str
    """Kind of the fault."""
    before: str
    after: str
    start: int
    """First replaced byte of the source, and `end`, the first that stays."""
    end: int
    in_function: bool
    """Whether it is in the body of a function, which is read at every call, and not in what an import reads once."""

    def applied(self, source: bytes) -> bytes:
        """`source` with the fault."""
        return source[: self.start] + self.after.encode() + source[self.end :]


@dataclass(frozen=True)
class Names:
    """What a source gives a value to: the only twins that exist when they are used."""

    variables: frozenset[str]
    attributes: frozenset[str]

    @classmethod
    def of(cls, tree: ast.AST) -> Names:
        stored = [node for node in ast.walk(tree) if isinstance(getattr(node, "ctx", None), ast.Store)]
        arguments = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
        return cls(
            frozenset(node.id for node in stored if isinstance(node, ast.Name)) | arguments,
            frozenset(node.attr for node in stored if isinstance(node, ast.Attribute)),
        )


Change = tuple[str, ast.expr | ast.stmt, str]
"""Kind of fault, the node that is replaced, and the text in its place."""


def mutants(module: str, source: bytes) -> list[Mutant]:
    """Every fault that can be planted into `source`, in the order of its text; each is valid Python."""
    tree = ast.parse(source)
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    names, bodies = (
        Names.of(tree),
        [
            (
                starts[node.body[0].lineno - 1] + node.body[0].col_offset,
                starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0),
            )
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef)
        ],
    )
    found: dict[tuple[int, int, str], Mutant] = {}
    for node in _code(tree):
        for fault, replaced, after in _changes(node, names):
            start = starts[replaced.lineno - 1] + replaced.col_offset
            end = starts[(replaced.end_lineno or 0) - 1] + (replaced.end_col_offset or 0)
            before = source[start:end].decode()
            inside = any(first <= start < last for first, last in bodies)
            mutant = Mutant(module, replaced.lineno, fault, before, after, start, end, inside)
            if after != before and _compiles(mutant.applied(source)):
                found.setdefault((start, end, after), mutant)
    return sorted(found.values(), key=lambda mutant: (mutant.start, mutant.end, mutant.after))


def _compiles(source: bytes) -> bool:
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True


def _code(node: ast.AST) -> Iterator[ast.AST]:
    """`node` and what is below it, without what does not compute: annotations, messages, texts, the card's facts."""
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "bases"):
            continue
        children = value if isinstance(value, list) else [value]
        for child in children:
            if not isinstance(child, ast.AST) or isinstance(child, (ast.Raise, ast.Assert, ast.JoinedStr)):
                continue
            if isinstance(child, ast.Call) and (called := _called(child)) in ("Card", "Field"):
                # Of a card, the official lengths are settings; of an option, its default.
                parts = child.args[:1] if called == "Field" else [k for k in child.keywords if k.arg in LENGTHS]
                for part in parts:
                    yield from _code(part)
                continue
            yield from _code(child)


def _called(call: ast.Call) -> str:
    """The last part of the name of what is called."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _text(node: ast.AST) -> str:
    return f"({ast.unparse(node)})"


def _with(node: ast.AST, **fields: object) -> ast.AST:
    changed = copy.deepcopy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def _changes(node: ast.AST, names: Names) -> Iterator[Change]:
    for kind, changes in CHANGES.items():
        if isinstance(node, kind):
            yield from changes(node, names)


def _arithmetic(node: ast.BinOp, names: Names) -> Iterator[Change]:
    if other := ARITHMETIC.get(type(node.op)):
        yield "sign" if other in (ast.Add, ast.Sub) else "product", node, _text(_with(node, op=other()))
    if isinstance(node.op, ast.MatMult):
        yield "transpose", node, _text(_with(node, right=_attribute(node.right, "T")))


def _assigned(node: ast.AugAssign, names: Names) -> Iterator[Change]:
    if (other := ARITHMETIC.get(type(node.op))) and not isinstance(node.value, (ast.List, ast.Tuple)):
        yield "sign" if other in (ast.Add, ast.Sub) else "product", node, ast.unparse(_with(node, op=other()))
    yield "dropped statement", node, "pass"


def _unary(node: ast.UnaryOp, names: Names) -> Iterator[Change]:
    if isinstance(node.op, (ast.USub, ast.Invert, ast.Not)) and not isinstance(node.operand, ast.Constant):
        yield "sign" if isinstance(node.op, ast.USub) else "negation", node, _text(node.operand)


def _constant(node: ast.Constant, names: Names) -> Iterator[Change]:
    if type(node.value) is float and node.value:
        yield "constant", node, repr(node.value * 10)


def _setting(node: ast.keyword, names: Names) -> Iterator[Change]:
    """Whole numbers by name, such as max_iter=10 or Phase(epochs=10), but no dimensions."""
    value = node.value
    if isinstance(value, ast.Constant) and type(value.value) is int and value.value > 1 and node.arg != "dim":
        yield "constant", value, repr(value.value * 10)
    if isinstance(value, ast.Constant) and type(value.value) is bool:
        yield "setting", value, repr(not value.value)


def _compared(node: ast.Compare, names: Names) -> Iterator[Change]:
    if len(node.ops) != 1:
        return
    kind = type(node.ops[0])
    if other := COMPARISONS.get(kind):
        yield "comparison", node, _text(_with(node, ops=[other()]))
    if kind in BOUNDARIES and EPOCH.search(ast.unparse(node)):
        yield "off by one", node, _text(_with(node, ops=[BOUNDARIES[kind]()]))


def _boolean(node: ast.BoolOp, names: Names) -> Iterator[Change]:
    yield "negation", node, _text(_with(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And()))


def _call(node: ast.Call, names: Names) -> Iterator[Change]:
    called = _called(node)
    if (
        len(node.args) >= 2
        and called not in NO_ORDER + OTHER_KINDS
        and not any(isinstance(a, ast.Starred) for a in node.args)
    ):
        first, second, *rest = node.args
        if ast.unparse(first) != ast.unparse(second):
            yield "swapped arguments", node, ast.unparse(_with(node, args=[second, first, *rest]))
    if isinstance(node.func, ast.Attribute):
        if called == "detach":
            yield "dropped detach", node, _text(node.func.value)
        if called in REDUCTIONS:
            yield "reduction", node, ast.unparse(_with(node, func=_with(node.func, attr=REDUCTIONS[called])))
        if called == "schedule":
            yield "off by one", node, f"({ast.unparse(node)} + 1)"
        if called == "update" and len(node.args) > 1:
            yield "dropped optimizer", node, ast.unparse(_with(node, args=[*node.args[:-1]]))


def _expression(node: ast.Expr, names: Names) -> Iterator[Change]:
    if isinstance(node.value, ast.Call) and _called(node.value) not in PLAIN_CALLS:
        yield "dropped statement", node, "pass"


def _returned(node: ast.Return, names: Names) -> Iterator[Change]:
    if isinstance(node.value, ast.Tuple) and "optimizer" in ast.unparse(node.value):
        for position in range(len(node.value.elts)):
            kept = [one for at, one in enumerate(node.value.elts) if at != position]
            yield "dropped optimizer", node, f"return {ast.unparse(ast.Tuple(kept, ast.Load()))}"


def _attribute_of(node: ast.Attribute, names: Names) -> Iterator[Change]:
    if not isinstance(node.ctx, ast.Load):
        return
    if node.attr == "T":
        yield "transpose", node, _text(node.value)
    if other := _twin(node.attr, names.attributes):
        yield "swapped networks", node, ast.unparse(_with(node, attr=other))


def _name(node: ast.Name, names: Names) -> Iterator[Change]:
    if isinstance(node.ctx, ast.Load) and (other := _twin(node.id, names.variables)):
        yield "swapped networks", node, other


def _twin(name: str, names: frozenset[str]) -> str | None:
    """What the same thing of the other network is called: net and net2, loss_1 and loss_2."""
    if re.search(r"[a-z_]2$", name):
        other = [name[:-1], name[:-1] + "1"]
    elif re.search(r"[a-z_]1$", name):
        other = [name[:-1] + "2"]
    else:
        other = [name + "2"]
    return next((one for one in other if one in names), None)


def _attribute(value: ast.expr, name: str) -> ast.Attribute:
    return ast.Attribute(value, name, ast.Load())


def _condition(node: ast.If | ast.While, names: Names) -> Iterator[Change]:
    yield "negation", node.test, f"(not ({ast.unparse(node.test)}))"


def _choice(node: ast.IfExp, names: Names) -> Iterator[Change]:
    yield "negation", node, _text(_with(node, body=node.orelse, orelse=node.body))


CHANGES: dict[type[ast.AST], Callable[..., Iterator[Change]]] = {
    ast.BinOp: _arithmetic,
    ast.AugAssign: _assigned,
    ast.UnaryOp: _unary,
    ast.Constant: _constant,
    ast.keyword: _setting,
    ast.Compare: _compared,
    ast.BoolOp: _boolean,
    ast.Call: _call,
    ast.Expr: _expression,
    ast.Return: _returned,
    ast.Attribute: _attribute_of,
    ast.Name: _name,
    ast.If: _condition,
    ast.IfExp: _choice,
}
