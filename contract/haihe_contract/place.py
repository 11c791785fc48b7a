"""Where something stands in a YAML file, and what is wrong there."""

import msgspec
import yaml

DOCUMENT_BYTES_MAX = 1024 * 1024


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
        self.stand_ins: set[tuple[int, str]] = set()

    def complain(self, path: tuple[str | int, ...], what: str, *, key: bool = False) -> None:
        """Note a fault at the value (or the key) with that path, e.g. ``("instruments", 2, "unit")``.

        Nothing is said of a value that only stands in for one that is missing or wrong: that is noted already.
        """
        if self._stands_in(path):
            return
        problem = self.problem(path, what, key=key)
        if problem not in self.problems:
            self.problems.append(problem)

    def problem(self, path: tuple[str | int, ...], what: str, *, key: bool = False) -> Problem:
        """The place of a value (or key) with something to say about it, without complaining: for warnings."""
        node = self._node(path, key=key)
        mark = node.start_mark if node is not None else None
        return Problem(self.file, mark.line + 1 if mark else 1, mark.column + 1 if mark else 1, what)

    def _stands_in(self, path: tuple[str | int, ...]) -> bool:
        node = self.root
        for step in path:
            if isinstance(node, yaml.MappingNode):
                if (id(node), str(step)) in self.stand_ins:
                    return True
                node = next((value for name, value in node.value if name.value == str(step)), None)
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
                node = node.value[step]
            else:
                return False
        return False

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
        root = _composed(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise DocumentError([Problem(file, *place, f"not YAML: {error.problem or error}")]) from None
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        column = error.position - (before.rfind("\n") + 1) + 1
        what = f"not YAML: the character U+{ord(text[error.position]):04X} is not allowed"
        raise DocumentError([Problem(file, before.count("\n") + 1, column, what)]) from None
    except (yaml.YAMLError, RecursionError) as error:
        what = "nested too deeply" if isinstance(error, RecursionError) else f"not YAML: {error}"
        raise DocumentError([Problem(file, 1, 1, what)]) from None
    document = Document(file, root)
    if root is None:
        raise DocumentError([Problem(file, 1, 1, "the file is empty")])
    return document


def _composed(text: str) -> yaml.Node | None:
    """By libyaml, which is quick and leaves little behind; PyYAML itself says better what is wrong."""
    try:
        return yaml.compose(text, yaml.CSafeLoader)
    except (yaml.YAMLError, AttributeError):
        return yaml.compose(text, yaml.SafeLoader)
