"""Arguments are checked before they leave, without remote references and in bounded time."""

import time
from typing import Any

import pytest

from hub.catalog.schema import ArgumentSchema, has_header_parameters

POINT: dict[str, Any] = {
    "type": "object",
    "properties": {"x": {"type": "integer"}, "path": {"type": "array", "items": {"type": "string"}}},
    "required": ["x"],
}


def test_arguments_that_fit_have_no_faults() -> None:
    assert ArgumentSchema(POINT).faults({"x": 1, "path": ["a"]}) == []


def test_a_fault_names_the_path_and_what_the_schema_wants() -> None:
    assert ArgumentSchema(POINT).faults({"x": 1, "path": ["a", 7]}) == ['arguments.path[1]: 7 is not of type "string"']


def test_a_missing_argument_is_named() -> None:
    assert ArgumentSchema(POINT).faults({}) == ['arguments: "x" is a required property']


def test_at_most_five_faults_are_told() -> None:
    schema = {"type": "object", "additionalProperties": {"type": "integer"}}
    assert len(ArgumentSchema(schema).faults({str(n): "no" for n in range(9)})) == 5


def test_a_long_value_is_cut_in_the_message() -> None:
    (fault,) = ArgumentSchema(POINT).faults({"x": "y" * 10_000})
    assert len(fault) < 400


def test_a_declared_older_draft_is_followed() -> None:
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "definitions": {"n": {"type": "integer"}},
        "properties": {"a": {"$ref": "#/definitions/n"}},
    }
    assert ArgumentSchema(schema).faults({"a": "no"}) == ['arguments.a: "no" is not of type "integer"']


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "http://127.0.0.1:1/schema.json"},
        {"type": "objekt"},
        {"type": "object", "properties": {str(n): {"type": "string"} for n in range(30_000)}},
        "no schema",
    ],
    ids=["remote reference", "wrong type", "too many nodes", "not an object"],
)
def test_a_schema_that_can_not_be_compiled_checks_nothing_and_says_why(schema: Any) -> None:
    checked = ArgumentSchema(schema)
    assert checked.faults({"anything": 1}) == []
    assert checked.problem is not None
    assert "go unchecked" in checked.problem


def test_a_very_deep_schema_is_not_compiled() -> None:
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(200):
        schema = {"type": "object", "properties": {"a": schema}}
    checked = ArgumentSchema(schema)
    assert checked.faults({}) == []
    assert checked.problem is not None


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(?=a)(a+)+$"], ids=["plain", "look-around"])
def test_a_pattern_made_to_run_for_ever_ends(pattern: str) -> None:
    schema = ArgumentSchema({"type": "object", "properties": {"s": {"type": "string", "pattern": pattern}}})
    started = time.process_time()
    schema.faults({"s": "a" * 4_000 + "b"})
    assert time.process_time() - started < 5


def test_mirrored_arguments_are_found_at_any_depth() -> None:
    assert has_header_parameters({"properties": {"a": {"properties": {"b": {"x-mcp-header": "B"}}}}})
    assert not has_header_parameters(POINT)
