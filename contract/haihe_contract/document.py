"""YAML documents that people write: read, checked, every fault at once with its place.

The model of a document is a ``msgspec.Struct``. msgspec itself stops at the first fault, so this module walks
the YAML nodes along the model and lets msgspec judge the leaves; that way each fault keeps file:line:column.
"""

import difflib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml
from msgspec import inspect

DOCUMENT_BYTES_MAX = 1024 * 1024
_DEPTH_MAX = 32
_S = TypeVar("_S", bound=msgspec.Struct)
_DURATION = re.compile(r"^(\d+(?:\.\d+)?)\s*(ms|s|min|h|d)$")
_SIZE = re.compile(r"^(\d+(?:\.\d+)?)\s*(B|KiB|MiB|GiB)$")
_DURATION_MS = {"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
_SIZE_BYTES = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}


def duration_ms(text: str) -> int:
    """Milliseconds of ``5s``, ``15min``, ``1h``, ``250ms``.

    Raises:
        ValueError: when the text is no duration.
    """
    match = _DURATION.match(text)
    if not match:
        raise ValueError(f"{text!r} is no duration; write for example 500ms, 5s, 15min, 1h")
    return round(float(match[1]) * _DURATION_MS[match[2]])


def size_bytes(text: str) -> int:
    """Bytes of ``256MiB``.

    Raises:
        ValueError: when the text is no size.
    """
    match = _SIZE.match(text)
    if not match:
        raise ValueError(f"{text!r} is no size; write for example 64MiB")
    return round(float(match[1]) * _SIZE_BYTES[match[2]])


class Problem(msgspec.Struct, frozen=True, order=True):
    """One fault of a document: where, and what."""

    file: str
    line: int
    column: int
    what: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.what}"


class DocumentError(Exception):
    """A document that cannot be used, with all its faults in the order of the file."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class Document:
    """A parsed file: knows the place of every key, so that checks across the model can name it too."""

    def __init__(self, file: str, root: yaml.Node | None) -> None:
        self.file = file
        self.root = root
        self.problems: list[Problem] = []

    def complain(self, path: tuple[str | int, ...], what: str, *, key: bool = False) -> None:
        """Note a fault at the value (or the key) with that path, e.g. ``("instruments", 2, "unit")``."""
        node = self._node(path, key=key)
        mark = node.start_mark if node is not None else None
        problem = Problem(self.file, mark.line + 1 if mark else 1, mark.column + 1 if mark else 1, what)
        if problem not in self.problems:
            self.problems.append(problem)

    def _node(self, path: tuple[str | int, ...], *, key: bool = False) -> yaml.Node | None:
        node = self.root
        for depth, step in enumerate(path):
            if isinstance(node, yaml.MappingNode):
                for name, value in node.value:
                    if name.value == str(step):
                        node = name if key and depth == len(path) - 1 else value
                        break
                else:
                    return node
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
                node = node.value[step]
            else:
                return node
        return node

    def finish(self) -> None:
        """Raise everything that was complained about.

        Raises:
            DocumentError: when there was anything.
        """
        if self.problems:
            raise DocumentError(self.problems)


def parse(text: str, file: str) -> Document:
    """Parse the text without believing anything about its contents.

    Raises:
        DocumentError: when it is not YAML, or too large.
    """
    if len(text) > DOCUMENT_BYTES_MAX:
        raise DocumentError([Problem(file, 1, 1, f"larger than {DOCUMENT_BYTES_MAX} bytes")])
    try:
        loader = yaml.SafeLoader(text)
        try:
            root = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise DocumentError([Problem(file, *place, f"not YAML: {error.problem or error}")]) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise DocumentError([Problem(file, 1, 1, f"not YAML: {error}")]) from None
    document = Document(file, root)
    if root is None:
        raise DocumentError([Problem(file, 1, 1, "the file is empty")])
    return document


def load(path: Path, model: type[_S]) -> tuple[_S, Document]:
    """Read a file into its model. The document is returned for checks across fields.

    Raises:
        DocumentError: with every fault of the file.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise DocumentError([Problem(str(path), 1, 1, f"not UTF-8 text: byte {error.start}")]) from None
    except OSError as error:
        raise DocumentError([Problem(str(path), 1, 1, f"cannot be read: {error.strerror}")]) from None
    return read(text, str(path), model)


def read(text: str, file: str, model: type[_S]) -> tuple[_S, Document]:
    """As :func:`load`, from text.

    Raises:
        DocumentError: with every fault of the text.
    """
    document = parse(text, file)
    assert document.root is not None  # noqa: S101 - parse() refuses an empty file
    walk = _Walk(document)
    value = walk.node(document.root, inspect.type_info(model), "the file", 0)
    document.finish()
    return value, document


_FAULT = object()


class _Walk:
    """One pass over the YAML nodes along the model."""

    def __init__(self, document: Document) -> None:
        self.document = document

    def fault(self, node: yaml.Node, what: str) -> Any:
        mark = node.start_mark
        self.document.problems.append(Problem(self.document.file, mark.line + 1, mark.column + 1, what))
        return _FAULT

    def node(self, node: yaml.Node, kind: inspect.Type, name: str, depth: int) -> Any:
        if depth > _DEPTH_MAX:
            return self.fault(node, "nested too deeply")
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
                chosen = known.get(value.value)
                if chosen is None:
                    return self.fault(
                        value, f"{field}: {value.value!r} is not known{_near(value.value, known)}"
                    )
                return self.struct(node, chosen, name, depth)
        return self.fault(
            node, f"{name}: the key {field!r} is missing; write one of {', '.join(sorted(known))}"
        )

    def struct(self, node: yaml.Node, kind: inspect.StructType, name: str, depth: int) -> Any:
        if not isinstance(node, yaml.MappingNode):
            return self.fault(node, f"{name}: write a block of keys here, not {_said(node)}")
        fields = {field.encode_name: field for field in kind.fields}
        if kind.tag_field:
            fields.pop(kind.tag_field, None)
        values: dict[str, Any] = {}
        seen: set[str] = set()
        faulty = False
        for key, value in self._pairs(node):
            if key.value in seen:
                faulty = self.fault(key, f"{key.value}: written twice") is _FAULT
                continue
            seen.add(key.value)
            if key.value == kind.tag_field:
                continue
            field = fields.get(key.value)
            if field is None:
                faulty = self.fault(key, f"{key.value}: unknown key{_near(key.value, fields)}") is _FAULT
                continue
            taken = self.node(value, field.type, key.value, depth + 1)
            if taken is _FAULT:
                faulty = True
            else:
                values[field.name] = taken
        for missing in [f for f in fields.values() if f.required and f.encode_name not in seen]:
            faulty = self.fault(node, f"{name}: the key {missing.encode_name!r} is missing") is _FAULT
        if faulty:
            return _FAULT
        try:
            return kind.cls(**values)
        except (ValueError, TypeError) as error:
            return self.fault(node, f"{name}: {error}")

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

    def sequence(
        self, node: yaml.Node, kind: inspect.ListType | inspect.VarTupleType, name: str, depth: int
    ) -> Any:
        if not isinstance(node, yaml.SequenceNode):
            return self.fault(
                node, f"{name}: write a list here (lines that begin with '- '), not {_said(node)}"
            )
        items = [self.node(item, kind.item_type, name, depth + 1) for item in node.value]
        if any(item is _FAULT for item in items):
            return _FAULT
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
            and isinstance(value, int | float)
            and not isinstance(value, bool)
        ):
            value = node.value  # a station code such as 31005650 is text
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
            return self.fault(node, f"{name}: {_plain(str(error))}, got {node.value[:60]!r}")

    def _pairs(self, node: yaml.MappingNode) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                yield key, value
            else:
                self.fault(key, "a key must be one word")


def _scalar(node: yaml.ScalarNode) -> Any:
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node)  # type: ignore[no-untyped-call]
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
    }[type(kind)]
    return _annotated(plain, msgspec.Meta(**meta)) if meta else plain


def _literal(values: tuple[Any, ...]) -> Any:
    from typing import Literal

    return Literal.__getitem__(values)


def _annotated(plain: Any, meta: msgspec.Meta) -> Any:
    from typing import Annotated

    return Annotated.__class_getitem__((plain, meta))


def _said(node: yaml.Node) -> str:
    if isinstance(node, yaml.ScalarNode):
        return repr(node.value[:40]) if node.value else "nothing"
    return "a list" if isinstance(node, yaml.SequenceNode) else "a block of keys"


def _near(word: str, known: Any) -> str:
    close = difflib.get_close_matches(str(word), [str(each) for each in known], n=1, cutoff=0.6)
    return f'; did you mean "{close[0]}"?' if close else ""


def near(word: str, known: Any) -> str:
    """``; did you mean "…"?`` when one of the known words is close, else nothing."""
    return _near(word, known)


def _plain(text: str) -> str:
    for before, after in (("Expected `", "wanted "), ("`", ""), ("str", "text"), ("int", "a whole number"),
                          ("float", "a number"), ("bool", "true or false")):  # fmt: skip
        text = text.replace(before, after, 1 if before != "`" else -1)
    return text[0].lower() + text[1:]
