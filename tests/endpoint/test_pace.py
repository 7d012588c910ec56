"""Large answers leave in pieces, whole and in order; small ones as they are."""

from typing import Any

from hub.gateway.pace import FREE_BYTES, PIECE_BYTES, PacedSend


async def sent(*messages: dict[str, Any]) -> list[dict[str, Any]]:
    seen: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        seen.append(dict(message))

    paced = PacedSend(send)
    for message in messages:
        await paced(message)
    return seen


async def test_a_small_answer_is_sent_as_it_is() -> None:
    start: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": []}
    body = {"type": "http.response.body", "body": b"x" * FREE_BYTES}
    assert await sent(start, body) == [start, body]


async def test_a_large_body_leaves_in_pieces_that_make_up_the_whole() -> None:
    body = bytes(range(256)) * (FREE_BYTES // 256) + b"end"
    seen = await sent({"type": "http.response.body", "body": body})
    assert b"".join(each["body"] for each in seen) == body
    assert max(len(each["body"]) for each in seen) == PIECE_BYTES
    assert [bool(each.get("more_body")) for each in seen] == [True] * (len(seen) - 1) + [False]


async def test_a_long_stream_stays_whole_and_open_until_its_end() -> None:
    chunks = [b"%d" % (number % 10) * (PIECE_BYTES + number) for number in range(24)]
    parts = [{"type": "http.response.body", "body": chunk, "more_body": True} for chunk in chunks]
    seen = await sent(*parts, {"type": "http.response.body", "body": b""})
    assert b"".join(each["body"] for each in seen) == b"".join(chunks)
    assert [bool(each.get("more_body")) for each in seen] == [True] * (len(seen) - 1) + [False]
