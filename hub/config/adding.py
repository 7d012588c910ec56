"""From something that an adapter recognised to hub.yaml: comments and order stay."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from hub.config import environment
from hub.config.document import shown_path
from hub.config.loading import load_config, read_document, read_text
from hub.config.merging import with_entries
from hub.config.schema import SCHEMA_COMMENT
from hub.config.settings import LoadedConfig
from hub.errors import ConfigError
from hub.upstream.adapter import Recognised

_NOT_SET = "not-set"


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """What adding makes of hub.yaml."""

    before: str
    """The text of the file now; empty where there is none."""
    after: str
    names: tuple[str, ...]
    loaded: LoadedConfig
    """The configuration as it would be; variables that are not set have a value that says so."""
    unset: tuple[str, ...]
    """Variables that the new entries name and that are not set."""


def add_entries(found: Sequence[Recognised], into: Path) -> Addition:
    """Work out the hub.yaml that has what was recognised too; nothing is written.

    Raises:
        ConfigError: a name is taken, or the file is wrong.
    """
    before = read_text(into) if into.exists() else ""
    names = _names(before, into)
    text = before if before.strip() else f"{SCHEMA_COMMENT}\n"
    for item in found:
        if item.name in names:
            raise ConfigError(
                f"{shown_path(into)}: found `{item.name}` in it already; expected another name; choose one with --name"
            )
        names.add(item.name)
        text = with_entries(text, item.section, {item.name: dict(item.entry)}, into)
    variables = environment.variables()
    wanted = [name for item in found for name in _variables(item.entry)]
    unset = tuple(dict.fromkeys(name for name in wanted if name not in variables))
    loaded = _load(text, into, {**dict.fromkeys(unset, _NOT_SET), **variables})
    return Addition(before=before, after=text, names=tuple(item.name for item in found), loaded=loaded, unset=unset)


def _names(text: str, file: Path) -> set[str]:
    if not text.strip():
        return set()
    value: object = read_document(file, text).document.value
    sections = cast("dict[str, object]", value).values() if isinstance(value, dict) else ()
    return {name for section in sections if isinstance(section, dict) for name in cast("dict[str, object]", section)}


def _variables(value: object) -> list[str]:
    if isinstance(value, dict):
        return [name for inner in cast("dict[str, object]", value).values() for name in _variables(inner)]
    if isinstance(value, str) and value.startswith("${") and value.endswith("}"):
        return [value[2:-1]]
    return []


def _load(text: str, into: Path, variables: Mapping[str, str]) -> LoadedConfig:
    draft = into.with_name(f".{into.stem}.{os.getpid()}.yaml")
    into.parent.mkdir(parents=True, exist_ok=True)
    draft.write_text(text, encoding="utf-8")
    try:
        return load_config(draft, variables)
    finally:
        draft.unlink()
