"""From another client's file to hub.yaml: comments and order stay, secrets become references."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from hub.config.checks import build_model, check_together, check_values
from hub.config.dialects import Translated
from hub.config.document import Mistakes, shown_path
from hub.config.hiding import Hiding, VariableToSet
from hub.config.loading import read_document, read_text
from hub.config.merging import dump, with_servers
from hub.config.schema import SCHEMA_COMMENT, SCHEMA_NAME, schema_text
from hub.upstream.settings import ServerSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import makes of hub.yaml."""

    before: str
    """The text of the file now; empty where there is none."""
    after: str
    added: tuple[str, ...]
    variables: tuple[VariableToSet, ...]
    notes: tuple[str, ...]


def import_servers(source: Path, into: Path | None = None) -> Imported:
    """Work out the hub.yaml that has the servers of another client's file too; nothing is written.

    A server whose name is taken stays as it is in hub.yaml, with a note.

    Args:
        into: the hub.yaml to merge into; it need not be there.

    Raises:
        ConfigError: one of the files is wrong.
    """
    source = source.absolute()
    translated = read_document(source, read_text(source))
    servers = _checked_servers(source, translated)
    hiding = Hiding(source, translated)
    made = {name: hiding.server(name, entry) for name, entry in servers.items()}
    before = read_text(into) if into is not None and into.exists() else ""
    notes = list(translated.notes)
    after, added = _merged(before, made, into or source, notes)
    return Imported(
        before=before,
        after=after,
        added=tuple(added),
        variables=tuple(hiding.variables(set(added))),
        notes=tuple(notes),
    )


def _checked_servers(source: Path, translated: Translated) -> dict[str, dict[str, object]]:
    document, mistakes = translated.document, Mistakes(source)
    root = cast("dict[str, object]", document.value) if isinstance(document.value, dict) else {}
    servers = root.get("servers")
    if not isinstance(servers, dict) or not servers:
        wrong = "found no servers; expected `mcpServers`, or `servers`, with at least one; name another file"
        mistakes.add(document, ("servers",), wrong)
        raise mistakes.to_error()
    entries = cast("dict[str, dict[str, object]]", servers)
    for name, entry in entries.items():
        settings = build_model(ServerSettings, entry, document, ("servers", name), mistakes)
        if settings is not None and "${" not in (settings.url or ""):
            check_values(settings, document, ("servers", name), mistakes)
    if mistakes:
        raise mistakes.to_error()
    return entries


def _merged(
    before: str, servers: Mapping[str, dict[str, object]], into: Path, notes: list[str]
) -> tuple[str, list[str]]:
    if not before.strip():
        return f"{SCHEMA_COMMENT}\n{dump({'servers': servers})}", list(servers)
    document = read_document(into, before).document
    present = cast("dict[str, object]", document.value) if isinstance(document.value, dict) else {}
    old = cast("dict[str, object]", present.get("servers") or {})
    added = {name: entry for name, entry in servers.items() if name not in old}
    notes.extend(
        f"server `{name}` is in {shown_path(into)} already and stays as it is" for name in servers if name not in added
    )
    if not added:
        return before, []
    after = with_servers(before, added, into)
    _check_merge(after, into)
    return after, list(added)


def _check_merge(after: str, into: Path) -> None:
    document = read_document(into.with_suffix(".yaml"), after).document
    mistakes, known = Mistakes(into), Mistakes(into)
    entries = cast("dict[str, dict[str, dict[str, object]]]", document.value)["servers"]
    built = {
        name: build_model(ServerSettings, entry, document, ("servers", name), known) for name, entry in entries.items()
    }
    check_together({name: server for name, server in built.items() if server is not None}, document, mistakes)
    if mistakes:
        raise mistakes.to_error()


def write_config(path: Path, text: str, *, with_schema: bool) -> None:
    """Write a hub.yaml, whole or not at all; a new one gets its schema for editors beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(text, encoding="utf-8")
    if path.exists():
        draft.chmod(path.stat().st_mode & 0o777)
    draft.replace(path)
    schema = path.with_name(SCHEMA_NAME)
    if with_schema and not schema.exists():
        schema.write_text(schema_text(), encoding="utf-8")
