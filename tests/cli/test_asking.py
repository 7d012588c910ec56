"""A server's question in the terminal: each field is asked for until its answer fits."""

from collections.abc import Iterator

import pytest

from hub.catalog.provider import Json
from hub.cli.asking import Asker
from hub.cli.failures import UsageError
from hub.errors import UnsupportedError


def asker(*lines: str) -> Asker:
    typed: Iterator[str] = iter([f"{line}\n" for line in lines])
    return Asker(interactive=True, read_line=lambda: next(typed, ""))


def form(*required: str, **properties: Json) -> Json:
    schema: Json = {"type": "object", "properties": properties, "required": list(required)}
    return {"message": "Which one?", "requestedSchema": schema}


async def test_every_kind_of_field_is_asked_for_and_typed(capsys: pytest.CaptureFixture[str]) -> None:
    params = form(
        "name",
        name={"type": "string", "title": "Your name", "minLength": 2},
        count={"type": "integer", "minimum": 1, "default": 3},
        sure={"type": "boolean"},
        colour={"type": "string", "enum": ["r", "g"], "enumNames": ["red", "green"]},
        size={"type": "string", "oneOf": [{"const": "s", "title": "small"}, {"const": "l", "title": "large"}]},
        days={"type": "array", "items": {"type": "string", "enum": ["mo", "tu", "we"]}},
        mail={"type": "string", "format": "email"},
        note={"type": "string"},
    )

    answer = await asker("x", "", "Ada", "", "y", "2", "large", "1, we", "nobody", "a@b.example", "").answer(
        "elicitation/create", params
    )

    assert answer == {
        "action": "accept",
        "content": {
            "name": "Ada",
            "count": 3,
            "sure": True,
            "colour": "g",
            "size": "l",
            "days": ["mo", "we"],
            "mail": "a@b.example",
        },
    }
    shown = capsys.readouterr().err
    assert "? Which one?" in shown
    assert "Your name [string]: " in shown
    assert "1) red" in shown
    assert "count [integer, default 3]: " in shown
    assert "! an answer is needed" in shown
    assert '! "nobody" is not a "email"' in shown


@pytest.mark.parametrize(("typed", "action"), [(["d"], "decline"), (["c"], "cancel"), ([], "cancel")])
async def test_a_question_can_be_declined_or_left(typed: list[str], action: str) -> None:
    answer = await asker(*typed).answer("elicitation/create", form("a", a={"type": "string"}))

    assert answer == {"action": action}


async def test_an_answer_that_reads_like_a_command_is_given_after_a_blank() -> None:
    answer = await asker(" d").answer("elicitation/create", form("a", a={"type": "string"}))

    assert answer == {"action": "accept", "content": {"a": "d"}}


async def test_a_form_without_fields_and_an_address_are_accepted_by_enter(capsys: pytest.CaptureFixture[str]) -> None:
    empty = await asker("").answer("elicitation/create", form())
    visit = await asker("").answer(
        "elicitation/create", {"mode": "url", "message": "Sign in", "url": "https://x.example/\x1b[2Ja"}
    )

    assert (empty, visit) == ({"action": "accept", "content": {}}, {"action": "accept"})
    assert "open https://x.example/a\n" in capsys.readouterr().err


async def test_what_a_terminal_does_not_have_is_refused() -> None:
    with pytest.raises(UnsupportedError) as sampling:
        await asker().answer("sampling/createMessage", {"messages": []})
    with pytest.raises(UnsupportedError) as roots:
        await asker().answer("roots/list", {})

    assert str(sampling.value) == "the tool asks for a model's answer, and a terminal has no model; use another client"
    assert str(roots.value) == "the tool asks for 'roots/list', which a terminal does not have; use another client"


async def test_without_a_terminal_nothing_is_asked() -> None:
    with pytest.raises(UsageError) as caught:
        await Asker(interactive=False).answer("elicitation/create", form())

    assert str(caught.value) == (
        "the tool asks 'Which one?', and standard input is no terminal; run the command in one"
    )
