"""`hub import`: the servers of another MCP client."""

import difflib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli.failures import UsageError
from hub.cli.options import JsonOption
from hub.cli.output import note, write, write_json

if TYPE_CHECKING:
    from hub.config.importing import Imported


def import_file(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="mcpServers or VS Code JSON, or another hub.yaml.")],
    into: Annotated[
        Path | None, typer.Option("--into", metavar="FILE", help="The hub.yaml to merge into; default: ./hub.yaml.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Write without asking.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Take over another client's servers. Shows the difference first, writes after a yes.

    Values that look like secrets become ${NAME} references; which variables to set is told.
    """
    from hub.config.importing import import_servers
    from hub.config.places import CONFIG_NAME

    target = (into or Path(CONFIG_NAME)).absolute()
    made = import_servers(file, target)
    changed = made.after != made.before
    if not as_json:
        _show(made, target)
    if changed and not yes:
        _ask(target, as_json=as_json)
    if changed:
        _write(target, made.after, is_new=not made.before)
    if as_json:
        write_json(
            {
                "file": str(target),
                "written": changed,
                "added": list(made.added),
                "difference": _difference(made, target),
                "variables": [{"name": item.name, "source": item.source} for item in made.variables],
                "notes": list(made.notes),
            }
        )
    elif changed:
        write(f"wrote {target}")


def _difference(made: "Imported", target: Path) -> str:
    before, after = made.before.splitlines(keepends=True), made.after.splitlines(keepends=True)
    return "".join(difflib.unified_diff(before, after, f"{target.name} (now)", f"{target.name} (new)"))


def _show(made: "Imported", target: Path) -> None:
    write(_difference(made, target).rstrip("\n") or f"nothing to add to {target}")
    for text in made.notes:
        note(f"note: {text}")
    for item in made.variables:
        note(f"set {item.name}  (its value: {item.source})")


def _ask(target: Path, *, as_json: bool) -> None:
    if as_json or not sys.stdin.isatty():
        raise UsageError(f"nothing was written to {target}: nobody can be asked here; add --yes to write")
    if not typer.confirm(f"Write {target}?", err=True):
        raise typer.Exit(1)


def _write(target: Path, text: str, *, is_new: bool) -> None:
    from hub.config.importing import write_config

    write_config(target, text, with_schema=is_new)
