"""The published schema is the one of the settings, and accepts what the loader accepts."""

from pathlib import Path

import jsonschema_rs
import pytest

from hub.config.schema import json_schema, schema_text

_PUBLISHED = Path(__file__).parents[2] / "docs" / "hub.schema.json"


def test_the_published_schema_is_the_one_of_this_version() -> None:
    assert _PUBLISHED.read_text(encoding="utf-8") == schema_text(), "run: hub schema > docs/hub.schema.json"


@pytest.mark.parametrize(
    ("document", "is_right"),
    [
        ({"servers": {"a": {"command": "x", "timeout_s": 3}}, "gateway": {"port": "${PORT:-1}"}}, True),
        ({"servers": {"a": {"command": "x", "enabled": "${ON}"}}}, True),
        ({"servers": {"a b": {"command": "x"}}}, False),
        ({"servers": {"a": {"comand": "x"}}}, False),
        ({"servers": {"a": {"command": "x", "concurrency": "many"}}}, False),
        ({"gateway": {"port": 70000}}, False),
        ({"gatway": {}}, False),
    ],
)
def test_the_schema_tells_right_from_wrong(document: object, is_right: bool) -> None:
    assert jsonschema_rs.validator_for(json_schema()).is_valid(document) is is_right
