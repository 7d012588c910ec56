"""Calls that wait for a person while nobody holds the line."""

import os
import signal

import anyio
import pytest

from hub.catalog.provider import Json
from hub.errors import RemoteError
from hub.upstream import Links, UpstreamServer, open_links, open_upstream
from tests.upstream.callers import modern
from tests.upstream.targets import accept, odd, questions_of, text_of, tool


def with_answers(request: Json, body: Json, name: str) -> Json:
    """The same request with one answer to all its questions."""
    responses = {key: accept(name) for key in body["inputRequests"]}
    return {**request, "requestState": body["requestState"], "inputResponses": responses}


async def is_invalid(server: UpstreamServer, request: Json, identity: str = "somebody") -> bool:
    with pytest.raises(RemoteError) as caught:
        await server.call(request, modern(identity=identity))
    return (caught.value.rpc_code, str(caught.value)) == (-32602, "Invalid or expired requestState")


async def test_a_call_goes_on_over_several_rounds(links: Links) -> None:
    with anyio.fail_after(20):
        async with open_upstream("odd", odd(era="legacy"), links=links, log_path=None) as server:
            await server.settled()
            first = questions_of(await server.call(tool("ask_two"), modern()))
            assert first["resultType"] == "input_required"
            assert [each["params"]["message"] for each in first["inputRequests"].values()] == ["first"]
            second = questions_of(await server.call(with_answers(tool("ask_two"), first, "one"), modern()))
            assert [each["params"]["message"] for each in second["inputRequests"].values()] == ["second"]
            assert text_of(await server.call(with_answers(tool("ask_two"), second, "two"), modern())) == "one two"


async def test_a_retry_without_the_answers_gets_the_questions_again(links: Links) -> None:
    with anyio.fail_after(20):
        async with open_upstream("odd", odd(era="legacy"), links=links, log_path=None) as server:
            await server.settled()
            first = questions_of(await server.call(tool("ask"), modern()))
            again = questions_of(
                await server.call({**with_answers(tool("ask"), first, "x"), "inputResponses": {}}, modern())
            )
            assert again["inputRequests"] == first["inputRequests"]
            assert text_of(await server.call(with_answers(tool("ask"), again, "Ada"), modern())) == "Ada"


async def test_a_state_counts_once_and_only_for_its_own_call(links: Links) -> None:
    with anyio.fail_after(20):
        async with open_upstream("odd", odd(era="legacy"), links=links, log_path=None) as server:
            await server.settled()
            body = questions_of(await server.call(tool("ask"), modern()))
            good = with_answers(tool("ask"), body, "Ada")
            state = body["requestState"]
            assert await is_invalid(server, good, identity="somebody else")
            assert await is_invalid(server, {**good, "arguments": {"message": "other"}})
            assert await is_invalid(server, {**good, "name": "ask_two"})
            assert await is_invalid(server, {**good, "requestState": state[:-4] + "AAAA"})
            assert await is_invalid(server, {**good, "requestState": "eyJmb3JlaWduIjoxfQ"})
            assert await is_invalid(server, {**good, "requestState": 7})
            assert text_of(await server.call(good, modern())) == "Ada"
            assert await is_invalid(server, good)


async def test_a_call_whose_server_died_meanwhile_is_made_again_with_the_answers(links: Links) -> None:
    with anyio.fail_after(20):
        async with open_upstream("odd", odd(era="legacy"), links=links, log_path=None) as server:
            await server.settled()
            pid = int(text_of(await server.call(tool("pid"), modern())))
            first = questions_of(await server.call(tool("ask_two"), modern()))
            second = questions_of(await server.call(with_answers(tool("ask_two"), first, "one"), modern()))
            gone = anyio.Event()
            server.watch(lambda _change: gone.set())
            os.kill(pid, signal.SIGKILL)
            await gone.wait()
            assert text_of(await server.call(with_answers(tool("ask_two"), second, "two"), modern())) == "one two"


async def test_a_call_outlives_a_restart_of_the_hub_with_the_same_key() -> None:
    async def ask(request: Json, key: bytes) -> Json:
        async with (
            open_links(base_env=dict(os.environ), seal_key=key, version="0") as links,
            open_upstream("odd", odd(era="legacy"), links=links, log_path=None, grace_s=0) as server,
        ):
            await server.settled()
            outcome = await server.call(request, modern())
            return outcome.body

    with anyio.fail_after(30):
        body = await ask(tool("ask"), b"one key")
        request = with_answers(tool("ask"), body, "Ada")
        with pytest.raises(RemoteError, match="Invalid or expired requestState"):
            await ask(request, b"another key")
        assert (await ask(request, b"one key"))["content"] == [{"type": "text", "text": "Ada"}]


async def test_a_caller_that_gives_up_ends_its_parked_call(links: Links) -> None:
    with anyio.fail_after(20):
        async with open_upstream("odd", odd(era="legacy"), links=links, log_path=None) as server:
            await server.settled()
            with anyio.move_on_after(0.3):
                await server.call(tool("hang"), modern())
            assert text_of(await server.call(tool("wait_cancel"), modern())) == "cancelled 1"
