"""`hub init`: a hub.yaml to start from."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from hub.cli.failures import UsageError
from hub.cli.options import JsonOption
from hub.cli.output import note, write, write_json


def init(
    config: Annotated[
        Path | None, typer.Option("--config", "-c", metavar="FILE", help="The file to write; default: ./hub.yaml.")
    ] = None,
    user: Annotated[bool, typer.Option("--user", help="Write the user's own configuration instead.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a hub.yaml with one server in it. Beside it: the schema for editors."""
    from hub.config.places import CONFIG_NAME, user_config
    from hub.config.schema import SCHEMA_NAME, schema_text
    from hub.config.starter import starter_text

    if config is not None and user:
        raise UsageError("found --config and --user; expected one of them; leave one out")
    path = user_config() if user else (config or Path(CONFIG_NAME)).absolute()
    if path.exists() and not force:
        raise UsageError(f"{path} is there already; use --force to replace it, or `hub import FILE --into {path}`")
    path.parent.mkdir(parents=True, exist_ok=True)
    schema = path.with_name(SCHEMA_NAME)
    path.write_text(starter_text(sys.executable), encoding="utf-8")
    schema.write_text(schema_text(), encoding="utf-8")
    if as_json:
        write_json({"written": [str(path), str(schema)]})
        return
    write(f"wrote {path}")
    write(f"wrote {schema}")
    note("next: `hub doctor` checks the servers, `hub serve` serves them")
