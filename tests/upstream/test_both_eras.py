"""What every transport and era carries, against a server on the SDK."""

import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import pytest

from hub.catalog.provider import Answer, Change, Era, Provider, RawRelay
from hub.errors import RemoteError
from hub.upstream import Links, ServerSettings, UpstreamServer, open_upstream
from tests.upstream.callers import Person, modern, name_is
from tests.upstream.targets import accept, matrix, questions_of, text_of, tool

WAYS = ("stdio-legacy", "stdio-modern", "http-legacy", "http-modern")


@asynccontextmanager
async def open_way(way: str, links: Links, url: str) -> AsyncGenerator[UpstreamServer]:
    transport, _, era_name = way.partition("-")
    era: Era = "legacy" if era_name == "legacy" else "modern"
    settings = matrix(era=era) if transport == "stdio" else ServerSettings(url=url, era=era)
    with anyio.fail_after(30):
        async with open_upstream("m", settings, links=links, log_path=None) as server:
            await server.settled()
            assert server.state.phase == "ready", server.state
            yield server


def is_provider(server: UpstreamServer) -> tuple[Provider, RawRelay]:
    """The type checker's proof that the server keeps both promises."""
    return server, server


@pytest.mark.parametrize("way", WAYS)
async def test_a_call_brings_the_server_s_answer_as_it_is(way: str, links: Links, matrix_url: str) -> None:
    async with open_way(way, links, matrix_url) as server:
        outcome = await server.call(tool("add", a=1, b=2), Person())
        assert isinstance(outcome, Answer)
        assert outcome.body["structuredContent"] == {"sum": 3}
        assert outcome.body["_meta"]["matrix/kept"] == "yes"
        assert ("resultType" in outcome.body) == way.endswith("modern")
        failed = await server.call(tool("fail"), Person())
        assert isinstance(failed, Answer)
        assert failed.body["isError"] is True


@pytest.mark.parametrize("way", WAYS)
async def test_an_error_of_the_server_is_passed_on(way: str, links: Links, matrix_url: str) -> None:
    async with open_way(way, links, matrix_url) as server:
        with pytest.raises(RemoteError) as caught:
            await server.call(tool("no_such_tool"), Person())
        assert (caught.value.rpc_code, str(caught.value)) == (-32602, "Unknown tool: no_such_tool")


@pytest.mark.parametrize("way", WAYS)
async def test_progress_and_logs_reach_the_caller(way: str, links: Links, matrix_url: str) -> None:
    async with open_way(way, links, matrix_url) as server:
        caller = Person(log_level="info")
        await server.call(tool("count", to=3), caller)
        assert caller.reports == [{"progress": n, "total": 3, "message": f"step {n}"} for n in (1, 2, 3)]
        await server.call(tool("speak"), caller)
        assert [each["level"] for each in caller.logs] == ["info", "warning"]
        deaf = Person(log_level=None, wants_progress=False)
        await server.call(tool("count", to=3), deaf)
        await server.call(tool("speak"), deaf)
        assert (deaf.reports, deaf.logs) == ([], [])


@pytest.mark.parametrize("way", WAYS)
async def test_a_caller_that_gives_up_cancels_the_call_at_the_server(way: str, links: Links, matrix_url: str) -> None:
    async with open_way(way, links, matrix_url) as server:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.call, tool("hang", tag=way), Person())
            assert text_of(await server.call(tool("started", tag=way), Person())) == f"started {way}"
            tasks.cancel_scope.cancel()
        assert text_of(await server.call(tool("cancelled", tag=way), Person())) == f"cancelled {way}"


@pytest.mark.parametrize("way", ["stdio-legacy", "http-legacy"])
async def test_a_question_is_put_to_a_live_caller(way: str, links: Links, matrix_url: str) -> None:
    async with open_way(way, links, matrix_url) as server:
        caller = Person(answer=name_is("Ada"))
        assert text_of(await server.call(tool("ask_name"), caller)) == "accept Ada"
        assert [method for method, _ in caller.questions] == ["elicitation/create"]


@pytest.mark.parametrize("way", WAYS)
async def test_a_question_is_the_answer_for_a_caller_that_is_not_live(way: str, links: Links, matrix_url: str) -> None:
    async with open_way(way, links, matrix_url) as server:
        body = questions_of(await server.call(tool("ask_name"), modern()))
        [(key, question)] = body["inputRequests"].items()
        assert question["method"] == "elicitation/create"
        assert question["params"]["message"] == "Your name?"
        again = {**tool("ask_name"), "inputResponses": {key: accept("Bob")}}
        if "requestState" in body:
            again["requestState"] = body["requestState"]
        assert text_of(await server.call(again, modern())) == "accept Bob"


@pytest.mark.parametrize("way", ["stdio-legacy", "http-legacy"])
async def test_nobody_is_asked_what_he_did_not_declare(way: str, links: Links, matrix_url: str) -> None:
    async with open_way(way, links, matrix_url) as server:
        for caller in (Person(capabilities={}, answer=name_is("Eve")), modern(capabilities={})):
            # The SDK's server ends the call with an error of its own, or with the one that the hub answered.
            with pytest.raises(RemoteError):
                await server.call(tool("ask_name"), caller)
            assert caller.questions == []


@pytest.mark.parametrize("way", WAYS)
async def test_changes_of_lists_and_watched_resources_are_told(way: str, links: Links, matrix_url: str) -> None:
    async with open_way(way, links, matrix_url) as server:
        [resource] = await server.list("resources")
        await server.subscribe(resource["uri"])
        send, receive = anyio.create_memory_object_stream[Change](math.inf)
        unwatch = server.watch(send.send_nowait)
        with send, receive:
            await server.call(tool("touch"), Person())
            assert await receive.receive() == Change(what="resource_updated", uri=resource["uri"])
            before = len(await server.list("tools"))
            await server.call(tool("grow"), Person())
            assert await receive.receive() == Change(what="tools")
            assert len(await server.list("tools")) == before + 1
            await server.unsubscribe(resource["uri"])
            unwatch()


@pytest.mark.parametrize("way", WAYS)
async def test_a_list_that_the_server_lacks_is_empty(way: str, links: Links, matrix_url: str) -> None:
    async with open_way(way, links, matrix_url) as server:
        assert await server.list("prompts") == []


async def test_a_server_of_both_eras_is_spoken_to_in_the_caller_s_era(links: Links, matrix_url: str) -> None:
    eras: list[Era] = []
    settings = ServerSettings(url=matrix_url)
    with anyio.fail_after(20):
        async with open_upstream("m", settings, links=links, log_path=None, on_era=eras.append) as server:
            await server.settled()
            assert eras == ["modern"]
            live = Person(answer=name_is("Ada"))
            assert text_of(await server.call(tool("ask_name"), live)) == "accept Ada"
            body = questions_of(await server.call(tool("ask_name"), modern()))
            assert set(body["inputRequests"]) == {"name"}


async def test_a_remembered_era_saves_the_probe_and_a_wrong_one_is_put_right(links: Links) -> None:
    eras: list[Era] = []
    with anyio.fail_after(30):
        async with open_upstream(
            "m", matrix(), links=links, log_path=None, remembered_era="legacy", on_era=eras.append
        ) as server:
            await server.settled()
            assert server.state.protocol_version == "2025-11-25"
        assert eras == ["legacy"]
