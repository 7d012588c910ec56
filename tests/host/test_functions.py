"""Plain functions: schemas from hints, values of those types, results as JSON."""

import pytest

from tests.host.raw_host import Json, RawHost


@pytest.fixture
def host(hosts: dict[str, RawHost]) -> RawHost:
    return hosts["functions"]


def test_the_public_functions_of_a_module_are_tools(host: RawHost) -> None:
    assert list(host.tools()) == ["served", "three_steps", "approve", "fail", "shapes", "noisy", "point_of"]


def test_hints_become_a_schema(host: RawHost) -> None:
    tool = host.tools()["shapes"]
    assert tool["description"] == "Take arguments of many types."
    assert tool["inputSchema"] == {
        "type": "object",
        "properties": {
            "point": {"$ref": "#/$defs/Point"},
            "color": {"enum": ["red", "blue"]},
            "size": {"enum": ["small", "big"], "default": "small"},
            "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "description": "Anything to add"},
            "tags": {"type": "array", "items": {"type": "string"}, "default": []},
        },
        "required": ["point", "color"],
        "additionalProperties": False,
        "$defs": {
            "Point": {
                "type": "object",
                "title": "Point",
                "properties": {"x": {"type": "integer"}, "y": {"type": "integer"}},
                "required": ["x"],
                "additionalProperties": False,
            }
        },
    }


def test_arguments_arrive_as_the_types_of_their_hints(host: RawHost) -> None:
    arguments: Json = {"point": {"x": 1, "y": 2}, "color": "red", "tags": ["a"]}
    assert host.call("shapes", arguments)["structuredContent"] == {
        "sum": 3,
        "color": "RED",
        "size": "small",
        "note": None,
        "tags": ["a"],
    }


def test_an_object_is_the_result_itself(host: RawHost) -> None:
    assert host.tools()["point_of"]["outputSchema"]["title"] == "Point"


def test_a_result_that_breaks_its_own_schema_is_the_functions_failure(host: RawHost) -> None:
    refused = host.call("point_of", {"x": 1})
    assert refused["_meta"]["hub/code"] == "internal"
    assert refused["content"][0]["text"].startswith("internal: the result does not fit the output schema")


def test_progress_is_told_by_the_parameter_of_that_name(host: RawHost) -> None:
    pending = host.submit_call("three_steps", {"topic": "told"})
    pending.result()
    assert [(one["progress"], one["total"], one["message"]) for one in pending.progress] == [
        (1, 3, "step 1"),
        (2, 3, "step 2"),
        (3, 3, "step 3"),
    ]
