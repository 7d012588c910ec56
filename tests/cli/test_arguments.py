"""`key=value` words become arguments of the types that the tool's schema wants."""

from pathlib import Path

import pytest

from hub.catalog.provider import Json
from hub.cli.arguments import read_arguments
from hub.errors import InvalidInputError

_SCHEMA: Json = {
    "type": "object",
    "additionalProperties": False,
    "$defs": {"Level": {"enum": [1, 2, 3]}},
    "properties": {
        "text": {"type": "string"},
        "count": {"type": "integer"},
        "share": {"type": "number"},
        "on": {"type": "boolean"},
        "maybe": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "title": {"type": ["string", "null"]},
        "level": {"$ref": "#/$defs/Level"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "numbers": {"type": "array", "items": {"type": "integer"}},
        "where": {"type": "object"},
        "any": {},
    },
}


_UNKNOWN = (
    "found the unknown argument 'cuont'; expected text, count, share, on, maybe, title, level, tags, numbers, where, "
    "any; did you mean 'count'?"
)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["text=5", "count=5", "share=5", "on=yes"], {"text": "5", "count": 5, "share": 5.0, "on": True}),
        (["text=a=b"], {"text": "a=b"}),
        (["maybe=7"], {"maybe": 7}),
        (["maybe=null", "title=null"], {"maybe": None, "title": "null"}),
        (["level=2"], {"level": 2}),
        (["tags=a"], {"tags": ["a"]}),
        (["tags=a", "tags=b"], {"tags": ["a", "b"]}),
        (['tags=["x", "y"]', "numbers=1", "numbers=2"], {"tags": ["x", "y"], "numbers": [1, 2]}),
        (['where={"a": 1}', "any=3", "any:=[1]"], {"where": {"a": 1}, "any": 3}),
        (["title:=null", 'text:="x"'], {"title": None, "text": "x"}),
    ],
)
def test_each_word_is_typed_by_the_schema(words: list[str], expected: Json) -> None:
    assert read_arguments(words, _SCHEMA) == expected


def test_files_and_whole_objects_are_taken_in(tmp_path: Path) -> None:
    text, data = tmp_path / "a.txt", tmp_path / "a.json"
    text.write_text("long\ntext", encoding="utf-8")
    data.write_text('{"deep": [1]}', encoding="utf-8")

    found = read_arguments(
        [f"text=@{text}", f"where:=@{data}", "count=3"],
        _SCHEMA,
        whole='{"count": 2, "on": true}',
        stdin='{"count": 1, "share": 0.5}',
    )

    assert found == {"text": "long\ntext", "where": {"deep": [1]}, "count": 3, "on": True, "share": 0.5}


@pytest.mark.parametrize(
    ("words", "whole", "message"),
    [
        (["count=x"], None, "count: found 'x'; expected integer; write such a value"),
        (["on=perhaps"], None, "on: found 'perhaps'; expected boolean; write such a value"),
        (["text=a", "text=b"], None, "text: found 2 values; expected one; say it once"),
        (["share=nan"], None, "share: found 'nan'; expected number; write such a value"),
        (["numbers=a"], None, "numbers: found 'a'; expected integer; write such a value"),
        (["where=[1]"], None, "where: found '[1]'; expected object; write such a value"),
        (["text"], None, "found the argument 'text'; expected key=value or key:=JSON; write it so"),
        (["count:=x"], None, "count: found 'x'; expected JSON; correct it"),
        (["text=@/nowhere/x"], None, "found no readable text file '/nowhere/x'; expected one; name another"),
        (["on=1", "cuont=1"], None, _UNKNOWN),
        ([], "[1]", "--args: found another value; expected a JSON object; write {…}"),
    ],
)
def test_what_does_not_fit_is_told_with_the_argument_s_name(words: list[str], whole: str | None, message: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        read_arguments(words, _SCHEMA, whole=whole)

    assert str(caught.value) == message
