"""The host's own checks: of arguments against schemas, of answers against forms, of functions' hints."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator

from adapters.host.interop_hub_host.failures import HostError
from adapters.host.interop_hub_host.forms import Form
from adapters.host.interop_hub_host.plain import to_plain
from adapters.host.interop_hub_host.validation import find_problem

Json = dict[str, Any]

ADDRESS: Json = {
    "type": "object",
    "properties": {"city": {"type": "string", "minLength": 2}, "zip": {"type": "string", "pattern": "^[0-9]+$"}},
    "required": ["city"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("schema", "value", "problem"),
    [
        (ADDRESS, {"city": "Bern", "zip": "3000"}, None),
        (ADDRESS, {"zip": "3000"}, "$.city: required, but missing"),
        (ADDRESS, {"city": "B"}, "$.city: expected at least 2 characters"),
        (ADDRESS, {"city": "Bern", "zip": "x"}, "$.zip: expected text like ^[0-9]+$"),
        (ADDRESS, {"city": "Bern", "street": 1}, "$.street: unknown; known are: city, zip"),
        (ADDRESS, [], "$: expected object"),
        ({"type": "integer"}, True, "$: expected integer"),
        ({"type": "integer"}, 2.0, None),
        ({"type": ["string", "null"]}, 5, "$: expected string or null"),
        ({"enum": ["a", 1]}, True, "$: expected one of 'a', 1"),
        ({"const": 1}, True, "$: expected 1"),
        ({"type": "array", "items": {"type": "integer"}, "maxItems": 2}, [1, "b"], "$[1]: expected integer"),
        ({"type": "array", "items": {"type": "integer"}, "maxItems": 2}, [1, 2, 3], "$: expected at most 2 items"),
        ({"type": "array", "uniqueItems": True}, [1, True, 1], "$: expected no item twice"),
        ({"prefixItems": [{"type": "string"}], "items": False}, ["a", 1], "$[1]: not allowed here"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, 5, "$: expected string or null"),
        ({"anyOf": [ADDRESS, {"type": "null"}]}, {"city": 5}, "$.city: expected string"),
        ({"oneOf": [{"minimum": 1}, {"minimum": 2}]}, 3, "$: fits more than one variant"),
        ({"not": {"type": "string"}}, "a", "$: not allowed here"),
        ({"minimum": 1, "exclusiveMaximum": 5}, 5, "$: expected less than 5"),
        ({"multipleOf": 0.1}, 0.3, None),
        ({"if": {"minimum": 5}, "then": {"multipleOf": 2}}, 7, "$: expected a multiple of 2"),
        ({"$ref": "#/$defs/a", "$defs": {"a": ADDRESS}}, {}, "$.city: required, but missing"),
        ({"$ref": "https://elsewhere/schema"}, {}, "$: not allowed here"),
        ({"$ref": "#/$defs/self", "$defs": {"self": {"$ref": "#/$defs/self"}}}, 1, "$: nested too deeply"),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1}, "$.b: required with a"),
        ({"contains": {"type": "string"}}, [1], "$: holds 0 of the items that it must contain"),
    ],
)
def test_the_first_problem_is_told_with_its_path(schema: Json, value: Any, problem: str | None) -> None:
    assert find_problem(value, schema) == problem


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-5, 5) | st.text("abc", max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
_NOTHING: dict[str, st.SearchStrategy[Any]] = {}
_TYPES = st.sampled_from(["object", "array", "string", "number", "integer", "boolean", "null"])
_SCHEMAS: st.SearchStrategy[Json] = st.recursive(
    st.fixed_dictionaries(
        _NOTHING, optional={"type": _TYPES, "minimum": st.integers(-3, 3), "maxLength": st.integers(0, 3)}
    )
    | st.fixed_dictionaries({"enum": st.lists(_VALUES, min_size=1, max_size=3)}),
    lambda inner: st.fixed_dictionaries(
        _NOTHING,
        optional={
            "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
            "required": st.lists(st.sampled_from("abc"), max_size=2, unique=True),
            "additionalProperties": inner | st.booleans(),
            "items": inner,
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "oneOf": st.lists(inner, min_size=1, max_size=2),
            "not": inner,
            "minItems": st.integers(0, 2),
        },
    ),
    max_leaves=5,
)


@settings(max_examples=300, deadline=None)
@given(_SCHEMAS, _VALUES)
def test_the_verdict_is_that_of_a_full_validator(schema: Json, value: Any) -> None:
    assert (find_problem(value, schema) is None) == Draft202012Validator(schema).is_valid(value)


NESTED: Json = {
    "type": "object",
    "properties": {"address": ADDRESS},
    "required": ["address"],
}


@pytest.mark.parametrize(
    ("schema", "requested", "content", "value"),
    [
        (
            {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]},
            {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]},
            {"ok": True},
            {"ok": True},
        ),
        (
            {"type": "string", "enum": ["red", "blue"]},
            {
                "type": "object",
                "properties": {"value": {"type": "string", "enum": ["red", "blue"]}},
                "required": ["value"],
            },
            {"value": "red"},
            "red",
        ),
        (
            NESTED,
            {
                "type": "object",
                "properties": {"json": {"type": "string", "description": f"JSON that fits {json.dumps(NESTED)}"}},
                "required": ["json"],
            },
            {"json": '{"address": {"city": "Bern"}}'},
            {"address": {"city": "Bern"}},
        ),
        (
            {
                "$defs": {"Color": {"enum": ["red", "blue"], "type": "string"}},
                "type": "object",
                "properties": {
                    "color": {"$ref": "#/$defs/Color"},
                    "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                },
                "required": ["color", "note"],
            },
            {
                "type": "object",
                "properties": {"color": {"enum": ["red", "blue"], "type": "string"}, "note": {"type": "string"}},
                "required": ["color"],
            },
            {"color": "red"},
            {"color": "red", "note": None},
        ),
    ],
)
def test_any_schema_becomes_a_flat_form_and_comes_back(
    schema: Json, requested: Json, content: Json, value: Any
) -> None:
    form = Form(schema)
    assert form.requested == requested
    assert form.read(content) == value


@pytest.mark.parametrize("content", [{}, {"json": "{"}, {"json": '{"address": {}}'}, {"json": 5}])
def test_a_filled_form_that_does_not_fit_is_refused(content: Json) -> None:
    with pytest.raises(HostError, match="the answer does not fit") as refused:
        Form(NESTED).read(content)
    assert refused.value.code == "invalid_input"


def test_what_json_cannot_hold_becomes_text_or_null() -> None:
    assert to_plain({1: float("nan"), "b": b"x", "c": {2}, "d": (3.5, complex(1))}) == {
        "1": None,
        "b": "b'x'",
        "c": [2],
        "d": [3.5, "(1+0j)"],
    }
