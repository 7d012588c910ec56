"""Servers put into the text of a hub.yaml; the rest of it stays as it is, comments and order too."""

import re
from collections.abc import Callable, Mapping
from io import StringIO
from pathlib import Path
from textwrap import indent
from typing import cast

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq
from ruamel.yaml.error import YAMLError

from hub.config.document import Document, shown_path
from hub.config.loading import read_document
from hub.config.settings import HubConfig
from hub.errors import ConfigError

_FLOW_CHARS = 80


def to_yaml(config: HubConfig) -> str:
    """The configuration as text of a hub.yaml; what was not set is left out."""
    return dump(config.model_dump(mode="json", exclude_unset=True))


def with_servers(before: str, added: Mapping[str, dict[str, object]], file: Path) -> str:
    """The text with more servers at the end of `servers:`.

    Raises:
        ConfigError: the text is not one that servers can be put into.
    """
    return with_entries(before, "servers", added, file)


def with_entries(before: str, section: str, added: Mapping[str, dict[str, object]], file: Path) -> str:
    """The text with more entries at the end of a section.

    Raises:
        ConfigError: the text is not one that entries can be put into.
    """
    document = read_document(file, before).document
    old = cast("dict[str, object]", document.value) if isinstance(document.value, dict) else {}
    wanted = {**old, section: {**cast("dict[str, object]", old.get(section) or {}), **added}}
    for way in (_spliced, _rewritten):
        after = way(before, section, added, document)
        if after is not None and _says(after, wanted, file):
            return after
    raise ConfigError(
        f"{shown_path(file)}: found a form that entries can't be put into; expected `{section}:` as a block"
    )


def dump(value: object) -> str:
    """A value as YAML, short lists on one line."""
    out = StringIO()
    cast("Callable[[object, StringIO], None]", _writer(2, 2).dump)(_laid_out(value), out)
    return out.getvalue()


def _says(text: str, wanted: object, file: Path) -> bool:
    try:
        return read_document(file.with_suffix(".yaml"), text).document.value == wanted
    except ConfigError:
        return False


def _spliced(before: str, section: str, added: Mapping[str, dict[str, object]], document: Document) -> str | None:
    """The text with lines added; None where the section is not a block of its own lines."""
    lines = before.splitlines()
    first = re.compile(rf"{re.escape(section)}:\s*(#.*)?$")
    start = next((number for number, line in enumerate(lines) if first.match(line)), None)
    if start is None:
        rest = cast("dict[str, object]", document.value) if isinstance(document.value, dict) else {}
        return None if section in rest else f"{before.rstrip()}\n\n{section}:\n{indent(dump(added), '  ')}".lstrip()
    end = next((n for n in range(start + 1, len(lines)) if re.match(r"[^\s#]", lines[n])), len(lines))
    while end > start + 1 and re.match(r"#|\s*$", lines[end - 1]):
        end -= 1
    column = next((len(line) - len(line.lstrip()) for line in lines[start + 1 : end] if re.match(r" +[^\s#]", line)), 2)
    block = indent(dump(added), " " * column).rstrip("\n").splitlines()
    return "\n".join([*lines[:end], *block, *lines[end:]]) + "\n"


def _rewritten(before: str, section: str, added: Mapping[str, dict[str, object]], document: Document) -> str | None:
    """The text written anew from its values and comments, for one that has the section in braces."""
    yaml = _writer(2, 2)
    try:
        root = cast("Callable[[StringIO], object]", yaml.load)(StringIO(before))
    except YAMLError:
        return None
    if not isinstance(root, dict):
        return None
    whole = cast("dict[str, object]", root)
    inner = whole.get(section)
    if isinstance(inner, dict) and inner:
        cast("dict[str, object]", inner).update({name: _laid_out(entry) for name, entry in added.items()})
    else:
        whole[section] = _laid_out(dict(added))
    out = StringIO()
    cast("Callable[[object, StringIO], None]", yaml.dump)(whole, out)
    return out.getvalue()


def _writer(mapping: int, offset: int) -> YAML:
    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 10_000
    cast("Callable[..., None]", yaml.indent)(mapping=mapping, sequence=offset + 2, offset=offset)
    return yaml


def _laid_out(value: object) -> object:
    if isinstance(value, dict):
        return {key: _laid_out(item) for key, item in cast("dict[str, object]", value).items()}
    if isinstance(value, list | tuple):
        items = [_laid_out(item) for item in cast("list[object]", value)]
        made = CommentedSeq(items)
        if sum(len(str(item)) + 2 for item in items) <= _FLOW_CHARS:
            made.fa.set_flow_style()  # pyright: ignore[reportUnknownMemberType] - ruamel leaves it bare
        return made
    return value
