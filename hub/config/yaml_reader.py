"""YAML 1.2 as plain values with line numbers; no tags, so nothing in a file can build an object."""

from collections.abc import Callable
from io import StringIO
from typing import cast

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from hub.config.document import Document, KeyPath, Mistake, to_text

_TAG = "tag:yaml.org,2002:"
_MAX_NODES = 200_000
_ADVICE = {
    "cannot start any token": "found a tab; expected spaces; replace the tab by spaces",
    "mapping values are not allowed here": (
        "found a second `: ` on the line; expected one key and one value; put the value in quotes"
    ),
    "found undefined alias": "found an alias that no anchor defines; expected `&name` before `*name`; define it",
    "found another document": "found a second document; expected one; remove the line `---` and what follows",
}


class YamlMistakesError(Exception):
    """The text is not what the hub reads as YAML."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        super().__init__("; ".join(mistake.text for mistake in mistakes))
        self.mistakes = mistakes


def read_yaml(text: str) -> Document:
    """Read one YAML document.

    Raises:
        YamlMistakesError: with every duplicate key and tag, or the first error of syntax.
    """
    try:
        compose = cast("Callable[[StringIO], Node | None]", YAML(typ="safe", pure=True).compose)
        root = compose(StringIO(text))
        reader = _NodeReader()
        value = None if root is None else reader.value(root, ())
    except MarkedYAMLError as error:
        raise YamlMistakesError([_syntax_mistake(error)]) from error
    except ReaderError as error:
        line = text.count("\n", 0, max(cast("int", error.position), 0)) + 1
        wrong = "found a control character; expected text; remove the character"
        raise YamlMistakesError([Mistake(line=line, key="", text=wrong)]) from error
    except YAMLError as error:
        wrong = "found text that is not YAML; expected `key: value` lines; correct it"
        raise YamlMistakesError([Mistake(line=1, key="", text=wrong)]) from error
    except RecursionError as error:
        wrong = "found values nested too deep; expected a few levels; remove the nesting"
        raise YamlMistakesError([Mistake(line=1, key="", text=wrong)]) from error
    if reader.mistakes:
        raise YamlMistakesError(reader.mistakes)
    return Document(value=value, lines=reader.lines)


def _syntax_mistake(error: MarkedYAMLError) -> Mistake:
    mark = cast("object", error.problem_mark or error.context_mark)
    line = int(getattr(mark, "line", 0)) + 1
    problem = str(cast("object", error.problem) or "the text breaks off")
    around = cast("object", error.context)
    for part, advice in _ADVICE.items():
        if part in problem and ("\\t" in problem or part != "cannot start any token"):
            return Mistake(line=line, key="", text=advice)
    context = f" ({around})" if around else ""
    return Mistake(line=line, key="", text=f"{problem}{context}; expected YAML; correct the syntax")


class _NodeReader:
    def __init__(self) -> None:
        self.lines: dict[KeyPath, int] = {}
        self.mistakes: list[Mistake] = []
        self._open: set[int] = set()
        self._count = 0

    def value(self, node: Node, path: KeyPath) -> object:
        self._count += 1
        if self._count > _MAX_NODES:
            wrong = f"found more than {_MAX_NODES} values; expected fewer; remove aliases that multiply"
            raise YamlMistakesError([Mistake(line=_line(node), key=to_text(path), text=wrong)])
        self.lines.setdefault(path, _line(node))
        if id(node) in self._open:
            wrong = "found an alias inside of its own anchor; expected a finite value; remove the alias"
            raise YamlMistakesError([Mistake(line=_line(node), key=to_text(path), text=wrong)])
        self._open.add(id(node))
        try:
            if isinstance(node, MappingNode):
                return self._mapping(node, path)
            if isinstance(node, SequenceNode):
                items = cast("list[Node]", node.value)
                for position, item in enumerate(items):
                    self.lines[(*path, position)] = _line(item)
                return [self.value(item, (*path, position)) for position, item in enumerate(items)]
            return self._scalar(node, path)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: MappingNode, path: KeyPath) -> dict[str, object]:
        merged: dict[str, object] = {}
        own: dict[str, object] = {}
        for key_node, value_node in cast("list[tuple[Node, Node]]", node.value):
            if _tag(key_node) == "merge":
                parts = cast("list[Node]", value_node.value) if isinstance(value_node, SequenceNode) else [value_node]
                for part in reversed(parts):
                    value = self.value(part, path)
                    if isinstance(value, dict):
                        merged.update(cast("dict[str, object]", value))
                continue
            if not isinstance(key_node, ScalarNode):
                wrong = "found a list or mapping as a key; expected a name; write the key as text"
                self.mistakes.append(Mistake(line=_line(key_node), key=to_text(path), text=wrong))
                continue
            key = str(cast("object", key_node.value))
            here = (*path, key)
            if key in own:
                wrong = f"found the key a second time, first on line {self.lines[here]}; expected it once; remove one"
                self.mistakes.append(Mistake(line=_line(key_node), key=to_text(here), text=wrong))
                continue
            self.lines[here] = _line(key_node)
            own[key] = self.value(value_node, here)
        return {**merged, **own}

    def _scalar(self, node: Node, path: KeyPath) -> object:
        text = str(cast("object", node.value))
        match _tag(node):
            case "null":
                return None
            case "bool":
                return text.lower() in ("true", "yes", "on")
            case "int":
                return _to_int(text)
            case "float":
                return _to_float(text)
            case "str" | "timestamp" | "binary":
                return text
            case _:
                wrong = f"found the tag `{_tag(node)}`; expected a plain value; remove the tag"
                self.mistakes.append(Mistake(line=_line(node), key=to_text(path), text=wrong))
                return None


def _line(node: Node) -> int:
    return int(getattr(cast("object", node.start_mark), "line", 0)) + 1


def _tag(node: Node) -> str:
    return str(cast("object", node.tag)).removeprefix(_TAG)  # pyright: ignore[reportUnknownMemberType] - ruamel leaves it bare


def _to_int(text: str) -> int | str:
    try:
        return int(text.replace("_", ""), 0 if text.lstrip("+-")[:2].lower() in ("0x", "0o", "0b") else 10)
    except ValueError:
        return text


def _to_float(text: str) -> float | str:
    try:
        return float(text.replace("_", "").replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError:
        return text
