"""YAML documents that people write: read, checked, every fault at once with its place.

The model of a document is a ``msgspec.Struct``. msgspec itself stops at the first fault, so this module walks
the YAML nodes along the model and lets msgspec judge the leaves; that way each fault keeps file:line:column.
"""

import datetime
import difflib
import math
import operator
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml
from msgspec import inspect

from .place import DOCUMENT_BYTES_MAX, Document, DocumentError, Problem, parse
from .series import POINT_PATTERN
from .topic import STATION_PATTERN

__all__ = [
    "Document",
    "DocumentError",
    "Problem",
    "load",
    "load_partly",
    "near",
    "parse",
    "read",
    "read_partly",
]

_DEPTH_MAX = 32
_NODES_MAX = 200_000
"""A 1 MiB file has fewer; aliases of aliases could make any number of them."""
_PROBLEMS_MAX = 200
_S = TypeVar("_S", bound=msgspec.Struct)


def load(path: Path, model: type[_S]) -> tuple[_S, Document]:
    """Read a file into its model. The document is returned for checks across fields.

    Raises:
        DocumentError: with every fault of the file.
    """
    return read(_text(path), str(path), model)


def load_partly(path: Path, model: type[_S]) -> tuple[_S, Document]:
    """As :func:`load`, but a file with faults is given as far as it goes, for checks that look further.

    The faults found so far are in the document: end with ``document.finish()``. Where a required value is
    missing or wrong an empty one of its type stands in, of which :meth:`Document.complain` says nothing more; an
    optional key that cannot be used has its default, and a list holds None where an entry is no block at all.

    Raises:
        DocumentError: when not even the outermost keys can be used.
    """
    return read_partly(_text(path), str(path), model)


def read(text: str, file: str, model: type[_S]) -> tuple[_S, Document]:
    """As :func:`load`, from text.

    Raises:
        DocumentError: with every fault of the text.
    """
    value, document = read_partly(text, file, model)
    document.finish()
    return value, document


def read_partly(text: str, file: str, model: type[_S]) -> tuple[_S, Document]:
    """As :func:`load_partly`, from text.

    Raises:
        DocumentError: when not even the outermost keys can be used.
    """
    document = parse(text, file)
    assert document.root is not None  # noqa: S101 - parse() refuses an empty file
    value = _Walk(document).node(document.root, inspect.type_info(model), "the file", 0)
    if value is _FAULT:
        document.finish()
    return value, document


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(DOCUMENT_BYTES_MAX + 1)
        if len(data) > DOCUMENT_BYTES_MAX:  # the rest is not even read
            raise DocumentError([Problem(str(path), 1, 1, f"larger than {DOCUMENT_BYTES_MAX} bytes")])
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DocumentError([Problem(str(path), 1, 1, f"not UTF-8 text: byte {error.start}")]) from None
    except OSError as error:
        raise DocumentError([Problem(str(path), 1, 1, f"cannot be read: {error.strerror}")]) from None


_FAULT = object()
_PATTERNS = {
    POINT_PATTERN: "small letters, digits, '-' and '_', at most 32",
    STATION_PATTERN: "a station code: eight digits or capital letters",
}
"""What the patterns of the contract mean, for people."""


class _Walk:
    """One pass over the YAML nodes along the model."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.nodes = 0

    def fault(self, node: yaml.Node, what: str) -> Any:
        mark = node.start_mark
        self.document.problems.append(Problem(self.document.file, mark.line + 1, mark.column + 1, what))
        if len(self.document.problems) >= _PROBLEMS_MAX:
            self.document.finish()
        return _FAULT

    def node(self, node: yaml.Node, kind: inspect.Type, name: str, depth: int) -> Any:
        self.nodes += 1
        if depth > _DEPTH_MAX:
            return self.fault(node, "nested too deeply")
        if self.nodes > _NODES_MAX:
            self.fault(node, f"more than {_NODES_MAX} values; is an alias used too often?")
            self.document.finish()
        if isinstance(kind, inspect.UnionType):
            return self.union(node, kind, name, depth)
        if isinstance(kind, inspect.StructType):
            return self.struct(node, kind, name, depth)
        if isinstance(kind, inspect.DictType):
            return self.mapping(node, kind, name, depth)
        if isinstance(kind, inspect.ListType | inspect.VarTupleType):
            return self.sequence(node, kind, name, depth)
        return self.leaf(node, kind, name)

    def union(self, node: yaml.Node, kind: inspect.UnionType, name: str, depth: int) -> Any:
        structs = [each for each in kind.types if isinstance(each, inspect.StructType)]
        plain = [each for each in kind.types if not isinstance(each, inspect.StructType)]
        if isinstance(node, yaml.ScalarNode) and node.tag.endswith(":null"):
            if any(isinstance(each, inspect.NoneType) for each in plain):
                return None
            return self.fault(node, f"{name}: a value is missing")
        plain = [each for each in plain if not isinstance(each, inspect.NoneType)]
        if isinstance(node, yaml.MappingNode) and structs:
            if len(structs) == 1:
                return self.struct(node, structs[0], name, depth)
            return self.tagged(node, structs, name, depth)
        if len(plain) == 1:
            return self.node(node, plain[0], name, depth)
        if not plain:
            return self.fault(node, f"{name}: write a block of keys here")
        before = len(self.document.problems)
        for each in plain:
            value = self.node(node, each, name, depth)
            if value is not _FAULT:
                del self.document.problems[before:]
                return value
        del self.document.problems[before + 1 :]
        return _FAULT

    def tagged(self, node: yaml.MappingNode, kinds: list[inspect.StructType], name: str, depth: int) -> Any:
        field = kinds[0].tag_field
        known = {str(each.tag): each for each in kinds}
        for key, value in node.value:
            if key.value == field:
                word = value.value if isinstance(value, yaml.ScalarNode) else _said(value)
                chosen = known.get(word)
                if chosen is None:
                    return self.fault(value, f"{field}: {word!r} is not known{_near(word, known)}")
                return self.struct(node, chosen, name, depth)
        return self.fault(node, f"{name}: the key {field!r} is missing; write one of {', '.join(sorted(known))}")

    def struct(self, node: yaml.Node, kind: inspect.StructType, name: str, depth: int) -> Any:
        if not isinstance(node, yaml.MappingNode):
            return self.fault(node, f"{name}: write a block of keys here, not {_said(node)}")
        fields = {field.encode_name: field for field in kind.fields}
        if kind.tag_field:
            fields.pop(kind.tag_field, None)
        values: dict[str, Any] = {}
        seen: set[str] = set()
        for key, value in self._pairs(node):
            if key.value in seen:
                self.fault(key, f"{key.value}: written twice")
                continue
            seen.add(key.value)
            if key.value == kind.tag_field:
                continue
            field = fields.get(key.value)
            if field is None:
                self.fault(key, f"{key.value}: unknown key{_near(key.value, fields)}")
                continue
            taken = self.node(value, field.type, key.value, depth + 1)
            if taken is not _FAULT:
                values[field.name] = taken
            else:
                self.document.stand_ins.add((id(node), key.value))
        self.complete(node, fields, values, seen, name)
        if _FAULT in values.values():
            return _FAULT
        try:
            return kind.cls(**values)
        except (ValueError, TypeError) as error:
            return self.fault(node, f"{name}: {error}")

    def complete(
        self,
        node: yaml.Node,
        fields: Mapping[str, inspect.Field],
        values: dict[str, Any],
        seen: set[str],
        name: str,
    ) -> None:
        """Name the required keys that are missing, and let something stand in for what cannot be used."""
        # A misspelt key is one mistake, not two: its right name is not called missing as well.
        meant = {_nearest(word, fields) for word in seen if word not in fields}
        needed = [field for field in fields.values() if field.required]
        for missing in [field for field in needed if field.encode_name not in seen | meant]:
            self.fault(node, f"{name}: the key {missing.encode_name!r} is missing")
        for field in needed:
            if field.name not in values:
                self.document.stand_ins.add((id(node), field.encode_name))
                values[field.name] = _stand_in(field.type)

    def mapping(self, node: yaml.Node, kind: inspect.DictType, name: str, depth: int) -> Any:
        if not isinstance(node, yaml.MappingNode):
            return self.fault(node, f"{name}: write keys and values here, not {_said(node)}")
        out: dict[Any, Any] = {}
        faulty = False
        for key, value in self._pairs(node):
            left = self.leaf(key, kind.key_type, name)
            right = self.node(value, kind.value_type, key.value, depth + 1)
            if left is not _FAULT and left in out:
                left = self.fault(key, f"{key.value}: written twice")
            if left is _FAULT or right is _FAULT:
                faulty = True
            else:
                out[left] = right
        return _FAULT if faulty else out

    def sequence(self, node: yaml.Node, kind: inspect.ListType | inspect.VarTupleType, name: str, depth: int) -> Any:
        if not isinstance(node, yaml.SequenceNode):
            return self.fault(node, f"{name}: write a list here (lines that begin with '- '), not {_said(node)}")
        found = (self.node(item, kind.item_type, name, depth + 1) for item in node.value)
        items = [None if item is _FAULT else item for item in found]
        if kind.max_length is not None and len(items) > kind.max_length:
            return self.fault(node, f"{name}: {len(items)} entries, at most {kind.max_length} are allowed")
        if kind.min_length is not None and len(items) < kind.min_length:
            return self.fault(node, f"{name}: at least {kind.min_length} entries are needed")
        return tuple(items) if isinstance(kind, inspect.VarTupleType) else items

    def leaf(self, node: yaml.Node, kind: inspect.Type, name: str) -> Any:
        if not isinstance(node, yaml.ScalarNode):
            return self.fault(node, f"{name}: one value is wanted here, not {_said(node)}")
        value = _scalar(node)
        if (
            isinstance(kind, inspect.StrType)
            and isinstance(value, int | float | datetime.date)
            and not isinstance(value, bool)
        ):
            value = node.value  # a station code such as 31005650 is text
        if isinstance(value, float) and not math.isfinite(value):
            return self.fault(node, f"{name}: wanted a finite number, got {node.value[:60]!r}")
        try:
            return msgspec.convert(value, _python_type(kind))
        except msgspec.ValidationError as error:
            known: list[str] = []
            if isinstance(kind, inspect.EnumType):
                known = [str(each.value) for each in kind.cls]
            elif isinstance(kind, inspect.LiteralType):
                known = [str(each) for each in kind.values]
            if known:
                return self.fault(
                    node, f"{name}: {node.value!r} is not one of {', '.join(known)}{_near(node.value, known)}"
                )
            pattern = getattr(kind, "pattern", None)
            wanted = f"wanted {_PATTERNS[pattern]}" if pattern in _PATTERNS else _plain(str(error))
            return self.fault(node, f"{name}: {wanted}, got {node.value[:60]!r}")

    def _pairs(self, node: yaml.MappingNode) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                yield key, value
            else:
                self.fault(key, "a key must be one word")


def _stand_in(kind: inspect.Type) -> Any:
    """An empty value of that type."""
    if isinstance(kind, inspect.StructType):
        values = {field.name: _stand_in(field.type) for field in kind.fields if field.required}
        return _FAULT if _FAULT in values.values() else kind.cls(**values)
    if isinstance(kind, inspect.UnionType):
        return None if any(isinstance(each, inspect.NoneType) for each in kind.types) else _stand_in(kind.types[0])
    if isinstance(kind, inspect.EnumType):
        return next(iter(kind.cls))
    if isinstance(kind, inspect.LiteralType):
        return kind.values[0]
    if isinstance(kind, inspect.VarTupleType):
        return ()
    empty: dict[type, Any] = {
        inspect.StrType: "",
        inspect.IntType: 0,
        inspect.FloatType: 0.0,
        inspect.BoolType: False,
        inspect.ListType: [],
        inspect.DictType: {},
    }
    return empty.get(type(kind), _FAULT)


def _scalar(node: yaml.ScalarNode) -> Any:
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node)
    except (yaml.YAMLError, ValueError):
        return node.value
    finally:
        loader.dispose()


def _python_type(kind: inspect.Type) -> Any:
    """The type with its constraints that msgspec's description came from."""
    if isinstance(kind, inspect.EnumType):
        return kind.cls
    if isinstance(kind, inspect.LiteralType):
        return _literal(kind.values)
    if isinstance(kind, inspect.AnyType):
        return Any
    if isinstance(kind, inspect.Metadata):
        return _python_type(kind.type)
    meta = {
        name: getattr(kind, name)
        for name in ("gt", "ge", "lt", "le", "multiple_of", "pattern", "min_length", "max_length")
        if getattr(kind, name, None) is not None
    }
    plain = {
        inspect.IntType: int,
        inspect.FloatType: float,
        inspect.StrType: str,
        inspect.BoolType: bool,
        inspect.DateType: datetime.date,
    }[type(kind)]
    return _annotated(plain, msgspec.Meta(**meta)) if meta else plain


def _literal(values: tuple[Any, ...]) -> Any:
    from typing import Literal

    return Literal.__getitem__(values)


def _annotated(plain: Any, meta: msgspec.Meta) -> Any:
    from typing import Annotated

    return operator.getitem(Annotated, (plain, meta))


def _said(node: yaml.Node) -> str:
    if isinstance(node, yaml.ScalarNode):
        return repr(node.value[:40]) if node.value else "nothing"
    return "a list" if isinstance(node, yaml.SequenceNode) else "a block of keys"


def _nearest(word: str, known: Any) -> str | None:
    close = difflib.get_close_matches(str(word), [str(each) for each in known], n=1, cutoff=0.6)
    return close[0] if close else None


def _near(word: str, known: Any) -> str:
    close = _nearest(word, known)
    return f'; did you mean "{close}"?' if close else ""


def near(word: str, known: Any) -> str:
    """``; did you mean "…"?`` when one of the known words is close, else nothing."""
    return _near(word, known)


def _plain(text: str) -> str:
    for before, after in (("Expected `", "wanted "), ("`", ""), ("str", "text"), ("int", "a whole number"),
                          ("float", "a number"), ("bool", "true or false")):  # fmt: skip
        text = text.replace(before, after, 1 if before != "`" else -1)
    return text[0].lower() + text[1:]
