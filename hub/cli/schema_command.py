"""`hub schema`: the JSON Schema of hub.yaml."""

from hub.cli.options import JsonOption


def schema(as_json: JsonOption = False) -> None:
    """Print the JSON Schema of hub.yaml. It is JSON with or without --json."""
    import sys

    from hub.config.schema import schema_text

    sys.stdout.write(schema_text())
