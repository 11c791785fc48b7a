"""Mechanical mutants of the deciding code: a comparison flipped, a statement dropped, a number off by one.

A mutant lives in its own process: the code objects of the mutated function are exchanged in place, so it counts
wherever the function was imported.
"""

import ast
import importlib
import inspect
import random
from types import CodeType, FunctionType
from typing import Any, NamedTuple

MODULES = (
    "haihe_edge.forward.outbox",
    "haihe_edge.forward.held",
    "haihe_edge.journal.space",
    "haihe_edge.journal.thin",
    "haihe_contract.ranges",
    "haihe_cloud.ledger.lines",
    "haihe_cloud.ingest.admit",
)
COUNT = 30
_SAMPLE = 20_260_725
_FLIPPED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}


class Mutant(NamedTuple):
    """One change.

    Args:
        module: of the change.
        at: which of the module's changeable places.
        line: of the source.
        what: before → after, for people.
    """

    module: str
    at: int
    line: int
    what: str

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.module.partition('.')[2]}:{self.line}: {self.what}"

    def put_in(self) -> None:
        """Make it, in this process.

        Raises:
            LookupError: when its function is not to be found.
        """
        module = importlib.import_module(self.module)
        change = _Change(self.at)
        tree = ast.fix_missing_locations(change.visit(ast.parse(inspect.getsource(module))))
        code = compile(tree, str(module.__file__), "exec")
        _function(module, change.function).__code__ = _code(code, change.function)


class _Change(ast.NodeTransformer):
    """Counts the places at which something can be changed, and changes one of them."""

    def __init__(self, at: int = -1) -> None:
        self.at, self.count = at, 0
        self.function = ""
        self.found: list[tuple[int, str]] = []
        self._inside: list[str] = []
        self._depth = 0

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:  # noqa: N802
        self._inside.append(node.name)
        node.body = [self.visit(each) for each in node.body]
        self._inside.pop()
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:  # noqa: N802
        self._inside.append(node.name)
        self._depth += 1
        node.body = [self.visit(each) for each in node.body]
        self._depth -= 1
        self._inside.pop()
        return node

    def visit_Compare(self, node: ast.Compare) -> Any:  # noqa: N802
        self.generic_visit(node)
        other = _FLIPPED.get(type(node.ops[0]))
        if other is not None:
            after = ast.Compare(node.left, [other(), *node.ops[1:]], node.comparators)
            return self._choose(node, after)
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> Any:  # noqa: N802
        self.generic_visit(node)
        return self._choose(node, ast.BoolOp(ast.And() if isinstance(node.op, ast.Or) else ast.Or(), node.values))

    def visit_BinOp(self, node: ast.BinOp) -> Any:  # noqa: N802
        self.generic_visit(node)
        if isinstance(node.op, ast.BitOr):
            return self._choose(node, ast.BinOp(node.left, ast.BitAnd(), node.right))
        if isinstance(node.op, ast.Sub | ast.BitAnd):  # what was to be taken away is forgotten
            return self._choose(node, node.left)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:  # noqa: N802
        return node  # what it says of types is never run

    def visit_Constant(self, node: ast.Constant) -> Any:  # noqa: N802
        if type(node.value) is int:
            return self._choose(node, ast.Constant(node.value + 1))
        return node

    def visit_Expr(self, node: ast.Expr) -> Any:  # noqa: N802
        if isinstance(node.value, ast.Constant):
            return node  # what a function says about itself
        return self._choose(self.generic_visit(node), ast.Pass())

    def visit_Assign(self, node: ast.Assign) -> Any:  # noqa: N802
        self.generic_visit(node)
        return self._choose(node, ast.Pass()) if isinstance(node.targets[0], ast.Attribute) else node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> Any:  # noqa: N802
        return node  # words for people

    def visit_Raise(self, node: ast.Raise) -> Any:  # noqa: N802
        return node

    def _choose(self, node: Any, after: Any) -> Any:
        if not self._depth:
            return node
        at, self.count = self.count, self.count + 1
        self.found.append((node.lineno, f"{ast.unparse(node)} → {ast.unparse(after)}"))
        if at != self.at:
            return node
        self.function = ".".join(self._inside)
        return ast.copy_location(after, node)


def _code(code: CodeType, name: str) -> CodeType:
    """The outermost function of that path in compiled code."""
    for each in code.co_consts:
        if isinstance(each, CodeType):
            if name == each.co_qualname or name.startswith(f"{each.co_qualname}.<locals>"):
                return each
            if name.startswith(f"{each.co_qualname}."):
                inner = [const for const in each.co_consts if isinstance(const, CodeType)]
                if any(name == const.co_qualname or name.startswith(const.co_qualname + ".") for const in inner):
                    return _code(each, name)
                return each
    raise LookupError(name)


def _function(owner: Any, name: str) -> FunctionType:
    """The function object itself, whatever is wrapped around it."""
    for part in name.split("."):
        found = owner.__dict__[part]
        found = getattr(found, "fget", None) or getattr(found, "__func__", None) or found
        if isinstance(found, FunctionType):
            return found
        owner = found
    raise LookupError(name)


def mutants(count: int = COUNT) -> list[Mutant]:
    """A fixed choice of them, spread over the modules."""
    chance = random.Random(_SAMPLE)
    chosen: list[Mutant] = []
    for place, name in enumerate(MODULES):
        change = _Change()
        change.visit(ast.parse(inspect.getsource(importlib.import_module(name))))
        found = [Mutant(name, at, line, what) for at, (line, what) in enumerate(change.found)]
        share = count // len(MODULES) + (place < count % len(MODULES))
        chosen += sorted(chance.sample(found, share), key=lambda mutant: mutant.at)
    return chosen
