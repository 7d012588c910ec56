"""Who owns which name, and the way of a call."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import cast

import anyio
import pytest

from hub.catalog.catalog import TASKS_EXTENSION, Catalog, open_catalog
from hub.catalog.policy import ArgumentCheck, ToolCall
from hub.catalog.provider import Answer, Caller, Change, Json, Outcome, Provider, ProviderState, TaskStarted
from hub.catalog.section import Section
from hub.errors import InvalidInputError, NameCollisionError, RefusedError, RemoteError, UnknownNameError
from tests.tooling.memory_provider import MemoryProvider, QuietCaller, text

CALLER = cast("Caller", QuietCaller())


@asynccontextmanager
async def catalog_of(*sections: Section) -> AsyncGenerator[Catalog, None]:
    with anyio.fail_after(20):
        async with open_catalog([ArgumentCheck()]) as catalog:
            for section in sections:
                catalog.add(section)
            await catalog.settled(5)
            yield catalog


def section(provider: MemoryProvider, **rules: object) -> Section:
    assert isinstance(provider, Provider)
    return Section(**{"provider": provider, "prefix": provider.name, **rules})  # pyright: ignore[reportArgumentType]


def provider(name: str, *tools: str) -> MemoryProvider:
    made = MemoryProvider(name=name)
    for tool_name in tools:
        made.add_tool(tool_name)
    return made


def names(catalog: Catalog) -> list[str]:
    return [tool["name"] for tool in catalog.entries("tools")]


async def changed(catalog: Catalog, what: str) -> anyio.Event:
    event = anyio.Event()
    catalog.watch(lambda change: event.set() if change.what == what else None)
    return event


async def test_tools_are_listed_by_provider_in_the_given_order() -> None:
    async with catalog_of(section(provider("b", "two", "one")), section(provider("a", "three"))) as catalog:
        assert names(catalog) == ["b__two", "b__one", "a__three"]


async def test_a_call_reaches_the_provider_under_its_own_name() -> None:
    notes = provider("notes", "add.note")
    async with catalog_of(section(notes)) as catalog:
        (name,) = names(catalog)
        outcome = await catalog.call_tool({"name": name, "arguments": {"a": 1}}, CALLER)
        assert outcome == text("notes: add.note")
        assert notes.seen == [("tools/call", {"name": "add.note", "arguments": {"a": 1}})]


async def test_an_unknown_tool_is_answered_with_the_nearest_names() -> None:
    async with catalog_of(section(provider("notes", "add_note", "list_notes"))) as catalog:
        with pytest.raises(UnknownNameError, match=r"'notes__add_nots'; the nearest names are notes__add_note"):
            await catalog.call_tool({"name": "notes__add_nots"}, CALLER)


async def test_wrong_arguments_never_reach_the_provider() -> None:
    notes = MemoryProvider(name="notes")
    notes.add_tool("add", schema={"type": "object", "required": ["text"]})
    async with catalog_of(section(notes)) as catalog:
        with pytest.raises(InvalidInputError, match=r'notes__add does not take these arguments: arguments: "text"'):
            await catalog.call_tool({"name": "notes__add"}, CALLER)
        assert notes.seen == []


async def test_a_policy_may_refuse_and_may_look_at_the_answer() -> None:
    class Audit:
        reads_answers = True
        seen: list[str] = []  # noqa: RUF012  # one audit in this test

        async def before(self, call: ToolCall) -> ToolCall:
            if call.entry.own_name == "secret":
                raise RefusedError("secret: not for you")
            return call

        async def after(self, call: ToolCall, outcome: Outcome) -> Outcome:
            self.seen.append(f"{call.caller.identity} {call.entry.name} {outcome.body['content'][0]['text']}")
            return outcome

    with anyio.fail_after(10):
        async with open_catalog([ArgumentCheck(), Audit()]) as catalog:
            catalog.add(section(provider("a", "open", "secret")))
            await catalog.settled(5)
            await catalog.call_tool({"name": "a__open"}, CALLER)
            with pytest.raises(RefusedError, match="not for you"):
                await catalog.call_tool({"name": "a__secret"}, CALLER)
    assert Audit.seen == ["local a__open a: open"]


async def test_allowed_and_hidden_tools_follow_the_rules() -> None:
    tools = provider("s", "read_a", "read_b", "delete_a")
    async with catalog_of(section(tools, allowed=("read_*", "delete_*"), hidden=("*_b",))) as catalog:
        assert names(catalog) == ["s__read_a", "s__delete_a"]
        with pytest.raises(UnknownNameError):
            await catalog.call_tool({"name": "s__read_b"}, CALLER)


async def test_a_transparent_provider_keeps_its_names() -> None:
    async with catalog_of(section(provider("one", "a.b"), transparent=True, prefix="")) as catalog:
        assert names(catalog) == ["a.b"]


async def test_the_same_prefix_twice_is_refused_with_both_owners() -> None:
    async with catalog_of(section(provider("one", "a"))) as catalog:
        with pytest.raises(NameCollisionError, match="two and one would both be listed under the prefix 'one'"):
            catalog.add(section(provider("two"), prefix="one"))


async def test_a_later_collision_keeps_the_first_owner_and_names_the_newcomer() -> None:
    late = provider("late", "x")
    async with catalog_of(section(provider("first", "tool")), section(late, prefix="", transparent=True)) as catalog:
        late.add_tool("first__tool")
        late.add_tool("y")
        event = await changed(catalog, "tools")
        late.tell(Change(what="tools"))
        await event.wait()
        assert names(catalog) == ["first__tool", "x", "y"]
        assert await catalog.call_tool({"name": "first__tool"}, CALLER) == text("first: tool")
        assert [str(item) for item in catalog.index.withheld["tools"]] == [
            "late also offers 'first__tool', which belongs to first: it is withheld; give late another prefix"
        ]


async def test_a_removed_provider_leaves_its_names_to_the_next() -> None:
    async with catalog_of(
        section(provider("first", "tool")), section(provider("late", "first__tool"), prefix="", transparent=True)
    ) as catalog:
        catalog.remove("first")
        assert names(catalog) == ["first__tool"]
        assert await catalog.call_tool({"name": "first__tool"}, CALLER) == text("late: first__tool")


async def test_a_provider_that_comes_up_later_is_listed_then() -> None:
    slow = provider("slow", "tool")
    slow.state = replace(slow.state, phase="down")
    async with catalog_of(section(slow)) as catalog:
        assert names(catalog) == []
        event = await changed(catalog, "tools")
        slow.become("ready")
        await event.wait()
        assert names(catalog) == ["slow__tool"]


async def test_a_uri_of_two_servers_is_rewritten_for_the_second_and_mapped_back() -> None:
    one = MemoryProvider(name="one", definitions={"resources": [{"uri": "x://a"}]}, contents={"x://a": "first"})
    two = MemoryProvider(name="two", definitions={"resources": [{"uri": "x://a"}]}, contents={"x://a": "second"})
    async with catalog_of(section(one), section(two)) as catalog:
        assert [item["uri"] for item in catalog.entries("resources")] == ["x://a", "hub:two:x://a"]
        outcome = await catalog.read({"uri": "hub:two:x://a"}, CALLER)
        assert outcome == Answer(body={"contents": [{"uri": "hub:two:x://a", "text": "second"}]})


async def test_a_resource_is_found_by_its_template_else_by_asking_around() -> None:
    one = MemoryProvider(
        name="one", contents={"one://7": "seven"}, definitions={"templates": [{"uriTemplate": "one://{id}"}]}
    )
    two = MemoryProvider(name="two", contents={"free://x": "found"})
    async with catalog_of(section(one), section(two)) as catalog:
        assert (await catalog.read({"uri": "one://7"}, CALLER)).body["contents"][0]["text"] == "seven"
        assert two.seen == []
        assert (await catalog.read({"uri": "free://x"}, CALLER)).body["contents"][0]["text"] == "found"
        with pytest.raises(RemoteError, match="Resource not found"):
            await catalog.read({"uri": "nobody://x"}, CALLER)


async def test_completions_go_to_the_owner_of_the_reference() -> None:
    one = MemoryProvider(name="one", definitions={"prompts": [{"name": "p"}]})
    two = MemoryProvider(name="two", definitions={"templates": [{"uriTemplate": "two://{id}"}]})
    async with catalog_of(section(one), section(two)) as catalog:
        argument: Json = {"name": "id", "value": ""}
        await catalog.complete({"ref": {"type": "ref/prompt", "name": "one__p"}, "argument": argument}, CALLER)
        await catalog.complete({"ref": {"type": "ref/resource", "uri": "two://{id}"}, "argument": argument}, CALLER)
        assert one.seen[0][1]["ref"] == {"type": "ref/prompt", "name": "p"}
        assert two.seen[0][1]["ref"] == {"type": "ref/resource", "uri": "two://{id}"}


def task_provider(name: str) -> MemoryProvider:
    async def start(params: Json, caller: Caller) -> Outcome:
        return TaskStarted(body={"resultType": "task", "taskId": "t1", "status": "working"})

    made = MemoryProvider(name=name, tasks={"t1": {"taskId": "t1", "status": name}})
    made.state = ProviderState(
        phase="ready", since=datetime.now(UTC), capabilities={"extensions": {TASKS_EXTENSION: {}}}
    )
    made.add_tool("start", start)
    return made


async def test_a_task_id_of_two_servers_is_rewritten_and_each_reaches_its_own() -> None:
    async with catalog_of(section(task_provider("one")), section(task_provider("two"))) as catalog:
        first = await catalog.call_tool({"name": "one__start"}, CALLER)
        second = await catalog.call_tool({"name": "two__start"}, CALLER)
        assert (first.body["taskId"], second.body["taskId"]) == ("t1", "two:t1")
        assert await catalog.task("get", {"taskId": "t1"}, CALLER) == {"taskId": "t1", "status": "one"}
        assert await catalog.task("get", {"taskId": "two:t1"}, CALLER) == {"taskId": "two:t1", "status": "two"}


async def test_a_task_of_somebody_else_is_unknown() -> None:
    async with catalog_of(section(task_provider("one"))) as catalog:
        await catalog.call_tool({"name": "one__start"}, CALLER)
        with pytest.raises(UnknownNameError, match="there is no task 't1'"):
            await catalog.task("get", {"taskId": "t1"}, cast("Caller", QuietCaller(identity="other")))


async def test_a_task_that_is_older_than_the_hub_is_found_by_asking_around() -> None:
    async with catalog_of(section(provider("none")), section(task_provider("one"))) as catalog:
        assert await catalog.task("cancel", {"taskId": "t1"}, CALLER) == {"taskId": "t1", "status": "one"}


async def test_subscriptions_are_counted_and_updates_carry_the_public_uri() -> None:
    one = MemoryProvider(name="one", definitions={"resources": [{"uri": "x://a"}]})
    two = MemoryProvider(name="two", definitions={"resources": [{"uri": "x://a"}]})
    async with catalog_of(section(one), section(two)) as catalog:
        told: list[str | None] = []
        catalog.watch(lambda change: told.append(change.uri))
        for _ in range(2):
            await catalog.subscribe("hub:two:x://a")
        assert two.subscribed == ["x://a"]
        two.tell(Change(what="resource_updated", uri="x://a"))
        assert told == ["hub:two:x://a"]
        await catalog.unsubscribe("hub:two:x://a")
        assert two.subscribed == ["x://a"]
        await catalog.unsubscribe("hub:two:x://a")
        assert two.subscribed == []


async def test_a_catalogue_whose_sections_are_still_to_come_is_not_settled() -> None:
    async with catalog_of() as catalog:
        catalog.expect()
        catalog.add(section(provider("a", "tool")))
        with anyio.move_on_after(0.05) as scope:
            await catalog.settled(5)
        assert scope.cancelled_caught
        catalog.arrange(["a"])
        await catalog.settled(5)
        assert names(catalog) == ["a__tool"]
