"""Whose question is it, where the transport does not say?"""

from pathlib import Path

import anyio

from hub.upstream import Links, UpstreamServer, open_upstream
from tests.upstream.callers import Person, name_is
from tests.upstream.targets import odd, text_of, tool


async def hang(server: UpstreamServer, caller: Person, scope: anyio.CancelScope) -> None:
    with scope:
        await server.call(tool("hang"), caller)


async def test_a_question_waits_until_one_call_is_left_that_can_have_caused_it(links: Links, tmp_path: Path) -> None:
    with anyio.fail_after(20):
        async with open_upstream("odd", odd(era="legacy"), links=links, log_path=None) as server:
            await server.settled()
            asker = Person(identity="asker", answer=name_is("Ada"))
            bystander = Person(identity="bystander", answer=name_is("Eve"))
            scope = anyio.CancelScope()
            answers: list[str] = []

            async def ask() -> None:
                answers.append(text_of(await server.call(tool("ask_after", file=str(tmp_path / "go")), asker)))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(hang, server, bystander, scope)
                tasks.start_soon(ask)
                await anyio.wait_all_tasks_blocked()
                (tmp_path / "go").touch()
                with anyio.move_on_after(0.5):
                    await asker.asked.wait()
                assert asker.questions == bystander.questions == []
                scope.cancel()
            assert answers == ["Ada"]
            assert bystander.questions == []


async def test_a_question_outside_of_any_call_is_refused(links: Links, tmp_path: Path) -> None:
    with anyio.fail_after(20):
        async with open_upstream("odd", odd(era="legacy", timeout_s=5), links=links, log_path=None) as server:
            await server.settled()
            nobody = Person(identity="nobody", answer=name_is("Eve"))
            with anyio.move_on_after(0.2):
                await server.call(tool("ask_after", file=str(tmp_path / "go")), nobody)
            (tmp_path / "go").touch()
            late = Person(identity="late", answer=name_is("Eve"), capabilities={})
            assert text_of(await server.call(tool("wait_cancel"), late)) == "cancelled 1"
            assert nobody.questions == late.questions == []


async def test_a_call_that_may_ask_in_two_modes_is_asked_only_what_it_declared(links: Links) -> None:
    with anyio.fail_after(20):
        async with open_upstream("odd", odd(era="legacy"), links=links, log_path=None) as server:
            await server.settled()
            url_only = Person(capabilities={"elicitation": {"url": {}}}, answer=name_is("Eve"))
            told = "error -32602: the client does not support this mode of elicitation"
            assert text_of(await server.call(tool("ask"), url_only)) == told
            without = Person(capabilities={}, answer=name_is("Eve"))
            assert (
                text_of(await server.call(tool("ask"), without))
                == "error -32601: the client does not support elicitation"
            )
            old = Person(capabilities={"elicitation": {}}, answer=name_is("Ada"))
            assert text_of(await server.call(tool("ask"), old)) == "Ada"
